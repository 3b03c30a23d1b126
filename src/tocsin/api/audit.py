"""``GET /v1/audit``: does everything that came in have an outcome?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import shown_time, time_back
from tocsin.app.auditing.audit import Auditor
from tocsin.app.trail import Notes
from tocsin.domain.audit import Audit, DeliveryLine, EventLine, Missing, summary
from tocsin.ports.system import Clock

_AN_HOUR = "1h"


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events: accepted since and until, each a duration back from now or a time."""

    since: Annotated[str, Meta(max_length=64)] = _AN_HOUR
    until: Annotated[str, Meta(max_length=64)] | None = None


class AuditAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    Both lines, by lane and by lane and channel.

    ``events``: accepted = routed + unrouted + aliases + waiting. ``deliveries``: planned = sent +
    delivered + suppressed + failed + expired + cancelled + pending. What is unequal beyond what is
    settling is named in ``missing``, up to a hundred. ``resting`` are the runs at a delay or a wait,
    whose deliveries after it are planned nowhere yet.
    """

    balanced: bool
    sentence: str
    since: str | None
    until: str | None
    events: dict[str, EventLine]
    deliveries: dict[str, dict[str, DeliveryLine]]
    pending: int
    settling: int
    resting: int
    violations: int
    missing: list[str]
    details: list[Missing]
    repaired: int


class AuditRoutes:
    """Handlers of ``/v1/audit``."""

    def __init__(self, auditor: Auditor, notes: Notes, clock: Clock) -> None:
        self._auditor = auditor
        self._notes = notes
        self._clock = clock

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        return (
            Endpoint(
                "GET",
                "/v1/audit",
                "Count what was accepted and planned against what became of it",
                self.audit,
                {200: AuditAnswer},
                query=AuditQuery,
            ),
            Endpoint(
                "POST",
                "/v1/audit/repair",
                "Audit, and route again what the log holds and no plan names",
                self.repair,
                {200: AuditAnswer},
                query=AuditQuery,
            ),
        )

    async def audit(self, call: Call) -> Answer:
        """Answer the sums."""
        return Answer(_show(await self._auditor(*self._window(call.query(AuditQuery)))))

    async def repair(self, call: Call) -> Answer:
        """Answer the sums as they were, and mend what can be mended."""
        window = self._window(call.query(AuditQuery))
        audit = await self._auditor(*window, mend=True)
        if audit.repaired:
            await self._notes.add(call.by, "audit.repair", "events", f"{audit.repaired} events")
        return Answer(_show(audit))

    def _window(self, query: AuditQuery) -> tuple[int, int | None]:
        now_ms = self._clock.now_ms()
        until_ms = None if query.until is None else time_back(query.until, "/until", now_ms)
        return time_back(query.since, "/since", now_ms), until_ms


def _show(audit: Audit) -> AuditAnswer:
    window = audit.window
    return AuditAnswer(
        balanced=audit.balanced,
        sentence=summary(audit),
        since=shown_time(window.since_ms),
        until=shown_time(window.until_ms),
        events=dict(audit.events),
        deliveries={lane: dict(lines) for lane, lines in audit.deliveries.items()},
        pending=audit.pending,
        settling=audit.settling,
        resting=audit.resting,
        violations=audit.violations,
        missing=[each.id for each in audit.missing],
        details=list(audit.missing),
        repaired=audit.repaired,
    )
