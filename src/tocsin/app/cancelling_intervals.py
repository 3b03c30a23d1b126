"""What a cancel does about runs that are delayed, wait, or have yet to begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tocsin.domain.ids import notification_of
from tocsin.domain.intervals import SCHEDULED, interval_key, interval_number, is_interval
from tocsin.domain.records import Continue, Record, decode
from tocsin.ports.log import Log, Output
from tocsin.ports.state import Claim, Claims, Timers, Tombstone, Waits
from tocsin.ports.system import Clock

_HELD_AFTERWARDS_MS: Final = 86_400_000
"""A run that begins may be routed late; a day is more than it is ever behind."""


class CancelIntervals:
    """
    Lets runs whose interval a cancel has ended go on at once: what is left of them is planned, and
    ends as cancelled.

    A run that has yet to begin has no recipients. It is caught by the cancel's tombstone, which is
    kept until then.
    """

    def __init__(
        self, log: Log, claims: Claims, timers: Timers, waits: Waits, clock: Clock
    ) -> None:
        self._log = log
        self._claims = claims
        self._timers = timers
        self._waits = waits
        self._clock = clock

    async def hold(
        self, key: str, named: tuple[str, ...] | None, at_ms: int, rows: Sequence[Claim]
    ) -> None:
        """Keep the tombstone of a cancel of *at_ms* until the scheduled runs among *rows* begin."""
        scheduled = [
            row.delivery
            for row in rows
            if is_interval(row.delivery) and interval_number(row.delivery) == SCHEDULED
        ]
        timers = await self._timers.waiting(scheduled) if scheduled else ()
        if timers:
            until_ms = max(timer.due_ms for timer in timers) + _HELD_AFTERWARDS_MS
            await self._claims.put_tombstone(Tombstone(key, named, at_ms, until_ms))

    async def end(self, rows: Sequence[Claim]) -> None:
        """
        Append what ends the intervals of *rows*, which the cancel holds.

        A crash before leaves it to their timers; a repeat is told by its key.
        """
        if not rows:
            return
        keys = [row.delivery for row in rows]
        gathered: dict[tuple[str, int], list[Record]] = {}
        for (topic, partition), record in (await self._records(keys)).values():
            early = msgspec.structs.replace(record, due_ms=self._clock.now_ms(), early=True)
            gathered.setdefault((topic, partition), []).append(early)
        await self._log.append([Output(*place, records) for place, records in gathered.items()])

    async def _records(
        self, keys: Sequence[bytes]
    ) -> Mapping[bytes, tuple[tuple[str, int], Continue]]:
        found = {
            timer.about: ((timer.topic, timer.partition), decode(timer.record))
            for timer in await self._timers.waiting(keys)
        }
        runs = [notification_of(key) for key in keys if key not in found]
        for wait, _ in await self._waits.of_runs(runs) if runs else ():
            key = interval_key(wait.run, wait.interval)
            if key in keys:
                found[key] = ((wait.topic, wait.partition), decode(wait.record))
        return {
            key: (place, record)
            for key, (place, record) in found.items()
            if isinstance(record, Continue)
        }
