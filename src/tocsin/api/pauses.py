"""Pauses: what is stopped for a while, by whom and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import Key, shown_time
from tocsin.app.pausing.desk import Paused, PauseDesk
from tocsin.app.texts import PLAIN, Line64
from tocsin.domain.pauses import Scope

Why = Annotated[str, Meta(min_length=1, max_length=200, pattern=PLAIN)]


class PauseInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to stop: whatever fits all that is named; and why."""

    reason: Why
    lane: Line64 | None = None
    channel: Line64 | None = None
    workflow: Key | None = None
    provider: Line64 | None = None


class ResumeQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it goes on; it stands in the audit trail."""

    reason: Why | None = None


class PauseAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One pause; ``parked`` deliveries wait for its end, beside what waits in the log."""

    id: str
    lane: str | None
    channel: str | None
    workflow: str | None
    provider: str | None
    reason: str
    by: str
    at: str | None
    ended_at: str | None
    parked: int


class PauseList(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The pauses that are in force, oldest first."""

    items: list[PauseAnswer]


class PauseRoutes:
    """Handlers of ``/v1/pauses``."""

    def __init__(self, desk: PauseDesk) -> None:
        self._desk = desk

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        path = "/v1/pauses"
        return (
            Endpoint("GET", path, "List what is paused", self.list, {200: PauseList}),
            Endpoint(
                "POST",
                path,
                "Pause a lane, a channel, a workflow or a provider",
                self.pause,
                {201: PauseAnswer},
                body=PauseInput,
            ),
            Endpoint(
                "DELETE",
                path + "/{id}",
                "Resume what is paused",
                self.resume,
                {200: PauseAnswer},
                query=ResumeQuery,
            ),
        )

    async def list(self, call: Call) -> Answer:
        """Answer all."""
        return Answer(PauseList(items=[_show(each) for each in await self._desk.all()]))

    async def pause(self, call: Call) -> Answer:
        """Pause."""
        given = call.body(PauseInput)
        scope = Scope(
            lane=given.lane,
            channel=given.channel,
            workflow=given.workflow,
            provider=given.provider,
        )
        made = await self._desk.pause(call.by, scope, given.reason)
        return Answer(_show(Paused(made, 0)), status=201)

    async def resume(self, call: Call) -> Answer:
        """End a pause; what it parked is on its way when this is answered."""
        reason = call.query(ResumeQuery).reason or ""
        return Answer(_show(await self._desk.resume(call.by, call.path["id"], reason)))


def _show(paused: Paused) -> PauseAnswer:
    pause = paused.pause
    scope = pause.scope
    return PauseAnswer(
        id=pause.id,
        lane=scope.lane,
        channel=scope.channel,
        workflow=scope.workflow,
        provider=scope.provider,
        reason=pause.reason,
        by=pause.by,
        at=shown_time(pause.at_ms),
        ended_at=shown_time(pause.ended_ms),
        parked=paused.parked,
    )
