"""What people see of fan-outs, and how they stop them."""

from __future__ import annotations

from typing import Final

import msgspec
from pyroaring import BitMap

from tocsin.app.callers import Principal
from tocsin.app.fanouts import FanoutRunner, records_of
from tocsin.app.trail import Notes
from tocsin.domain.ids import show_fanout
from tocsin.errors import Conflict, NotFound
from tocsin.ports.log import Log
from tocsin.ports.state import Fanout, Fanouts
from tocsin.ports.system import Clock

STATES: Final = {"pause": "paused", "resume": "running", "abort": "aborted"}


class FanoutReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a fan-out stands. ``by_reason`` is by channel, then by reason code."""

    fanout: Fanout
    deliveries: int
    """How many there are to decide: each of the audience once for each step."""
    by_reason: dict[str, dict[str, int]]
    individually: int
    """How many are decided one by one, since a rule of their own concerns them."""
    rate_per_s: float | None
    eta_ms: int | None
    """When it will be done if it goes on like this; None while it does not run here."""


class FanoutDesk:
    """Reports, pauses, resumes and aborts."""

    def __init__(
        self,
        log: Log,
        fanouts: Fanouts,
        runner: FanoutRunner,
        notes: Notes,
        clock: Clock,
    ) -> None:
        self._log = log
        self._fanouts = fanouts
        self._runner = runner
        self._notes = notes
        self._clock = clock

    async def report(self, key: bytes) -> FanoutReport:
        """Return how it stands; raises `NotFound`."""
        row = await self._get(key)
        by_reason: dict[str, dict[str, int]] = {}
        counted = 0
        for record in await records_of(self._log, row):
            found = by_reason.setdefault(record.channel, {})
            for reason, members in record.by_reason.items():
                number = len(BitMap.deserialize(members))
                found[reason] = found.get(reason, 0) + number
                counted += number
        deliveries = row.audience * row.steps
        rate = self._runner.rate_per_s(key) if row.state == "running" else None
        left = deliveries - row.decided
        return FanoutReport(
            fanout=row,
            deliveries=deliveries,
            by_reason=by_reason,
            individually=max(0, row.decided - counted),
            rate_per_s=rate,
            eta_ms=self._clock.now_ms() + round(1000 * left / rate) if rate else None,
        )

    async def change(self, by: Principal, key: bytes, action: str, reason: str) -> Fanout:
        """
        Pause, resume or abort; nothing more is decided here once this has returned.

        Raises `NotFound`, and `Conflict` for one that has ended.
        """
        row = await self._get(key)
        by.limits.check(workflow=row.workflow, lane=row.lane)
        async with self._runner.halted(row):
            changed = await self._fanouts.set_state(
                key, STATES[action], reason, self._clock.now_ms()
            )
        if changed is None or changed.state != STATES[action]:
            raise Conflict("this fan-out has ended; it cannot be changed any more")
        await self._notes.add(by, f"fanout.{action}", show_fanout(key), reason)
        return changed

    async def _get(self, key: bytes) -> Fanout:
        row = await self._fanouts.get(key)
        if row is None:
            raise NotFound("there is no such fan-out")
        return row
