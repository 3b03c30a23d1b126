"""Fan-outs: how they stand, and how they are stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import shown_time
from tocsin.app.fanout_desk import STATES, FanoutDesk, FanoutReport
from tocsin.domain.ids import read_fanout, show_event, show_fanout


class FanoutAction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why; it stands in the audit trail. The body may be left out."""

    reason: Annotated[str, Meta(max_length=500)] = ""


class FanoutAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """
    How a fan-out stands.

    ``deliveries`` is what there is to decide: the audience once for each step. ``by_reason`` is
    by channel; ``individually`` are those whom a rule of their own concerns, decided one by one.
    """

    id: str
    event: str
    workflow: str
    version: int
    lane: str
    state: str
    reason: str
    audience: int
    deliveries: int
    decided: int
    individually: int
    by_reason: dict[str, dict[str, int]]
    created_at: str | None
    changed_at: str | None
    rate_per_s: float | None
    eta: str | None


class FanoutRoutes:
    """Handlers of ``/v1/fanouts/{id}``."""

    def __init__(self, desk: FanoutDesk) -> None:
        self._desk = desk

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        path = "/v1/fanouts/{id}"
        return (
            Endpoint("GET", path, "How a fan-out stands", self.get, {200: FanoutAnswer}),
            *(
                Endpoint(
                    "POST",
                    f"{path}/{action}",
                    f"{action.capitalize()} a fan-out",
                    getattr(self, action),
                    {200: FanoutAnswer},
                    body=FanoutAction,
                    body_optional=True,
                )
                for action in STATES
            ),
        )

    async def get(self, call: Call) -> Answer:
        """Answer how it stands."""
        return Answer(_show(await self._desk.report(read_fanout(call.path["id"]))))

    async def pause(self, call: Call) -> Answer:
        """Pause it."""
        return await self._change(call, "pause")

    async def resume(self, call: Call) -> Answer:
        """Let it go on."""
        return await self._change(call, "resume")

    async def abort(self, call: Call) -> Answer:
        """End it where it is."""
        return await self._change(call, "abort")

    async def _change(self, call: Call, action: str) -> Answer:
        key = read_fanout(call.path["id"])
        await self._desk.change(call.by, key, action, call.body(FanoutAction).reason)
        return await self.get(call)


def _show(report: FanoutReport) -> FanoutAnswer:
    row = report.fanout
    return FanoutAnswer(
        id=show_fanout(row.key),
        event=show_event(row.event),
        workflow=row.workflow,
        version=row.version,
        lane=row.lane,
        state=row.state,
        reason=row.reason,
        audience=row.audience,
        deliveries=report.deliveries,
        decided=row.decided,
        individually=report.individually,
        by_reason=report.by_reason,
        created_at=shown_time(row.created_ms),
        changed_at=shown_time(row.changed_ms),
        rate_per_s=report.rate_per_s,
        eta=shown_time(report.eta_ms),
    )
