"""The audit of a window: both lines, and the names of what does not balance."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tocsin.app.auditing.differences import Differences, Found, Sides
from tocsin.app.auditing.pending import PendingStep
from tocsin.app.auditing.repair import repair
from tocsin.app.auditing.resting import RestingStep
from tocsin.app.auditing.slices import read_window
from tocsin.app.keeping.keeper import HISTORY
from tocsin.app.project import EXPANDERS, followed_topics, partitions_of
from tocsin.app.routing.router import GROUP
from tocsin.domain.audit import (
    MISSING_MAX,
    SETTLING_MS,
    Audit,
    DeliveryLine,
    EventLine,
    PartitionTally,
    Planned,
    Window,
    add_lines,
    delivery_line,
)
from tocsin.domain.lanes import LANES, Lane
from tocsin.domain.records import Broadcast, Poison
from tocsin.domain.topics import BROADCASTS
from tocsin.errors import RequestRefused
from tocsin.ports.keeping import Kept
from tocsin.ports.log import Log
from tocsin.ports.state import Timers, Waits
from tocsin.ports.system import Clock
from tocsin.ports.views import LedgerView


class Auditor:
    """
    Counts both sides of a window.

    What settled is read first and what was planned afterwards, so that only a loss can make the
    planned side greater. A difference is looked at again by name before it counts.
    """

    def __init__(
        self,
        log: Log,
        ledger: LedgerView,
        timers: Timers,
        waits: Waits,
        clock: Clock,
        kept: Kept,
    ) -> None:
        """What lies before the time up to which *kept* is complete is not looked at."""
        self._kept = kept
        self._log = log
        self._ledger = ledger
        self._clock = clock
        self._pending = PendingStep(log, timers, ledger)
        self._resting = RestingStep(timers, waits)
        self._differences = Differences(log, ledger)

    async def __call__(
        self, since_ms: int, until_ms: int | None = None, *, mend: bool = False
    ) -> Audit:
        """
        Audit what was accepted in [since, until), by default until now.

        With *mend*, events that no plan names are put before the router once more. What is not
        kept any more is in no window.
        """
        kept_ms = await self._kept.since_ms(HISTORY)
        while True:
            audit = await self._audit(max(since_ms, kept_ms), until_ms, mend=mend)
            before_ms, kept_ms = kept_ms, await self._kept.since_ms(HISTORY)
            # One side may have gone before the other was counted.
            if not audit.violations or max(since_ms, kept_ms) == max(since_ms, before_ms):
                return audit

    async def _audit(self, since_ms: int, until_ms: int | None, *, mend: bool) -> Audit:
        window = await self._window(since_ms, until_ms)
        settled = await self._ledger.settled_counts(window.since_ms, window.edge_ms)
        young = await self._ledger.settled_counts(window.edge_ms, window.until_ms)
        routed = await self._log.committed(GROUP)
        planned = Planned(window)
        tallies = [
            await self._tally(lane, partition, window, planned)
            for lane in LANES
            for partition in range(self._log.partitions)
        ]
        async for batch in read_window(self._log, BROADCASTS, 0, *window[:2]):
            for each in batch.records:
                if isinstance(each, Broadcast):
                    planned.take_chunk(each)
        pending = await self._pending(window, planned, routed)
        sides = Sides(window, planned, settled, young, pending)
        audit = await self._balance(sides, tallies, routed, mend=mend)
        if not planned.resting:
            return audit
        stuck = Found()
        on_log = await self._pending.unrouted(routed)
        resting = await self._resting(window, planned, on_log, stuck)
        return msgspec.structs.replace(
            audit,
            violations=audit.violations + stuck.violations,
            settling=audit.settling + stuck.settling,
            resting=resting,
            missing=(*audit.missing, *stuck.missing)[:MISSING_MAX],
        )

    async def _balance(
        self,
        sides: Sides,
        tallies: list[PartitionTally],
        routed: Mapping[tuple[str, int], int],
        *,
        mend: bool,
    ) -> Audit:
        found = await self._differences.events(sides.window, tallies, routed)
        lines: dict[Lane, list[EventLine]] = {lane: [] for lane in LANES}
        for tally in tallies:
            committed = routed.get((f"events.{tally.lane}", tally.partition), 0)
            repeated = found.repeated.get((tally.lane, tally.partition), 0)
            lines[tally.lane].append(tally.line(committed, repeated))
        await self._differences.deliveries(sides, found)
        return Audit(
            window=sides.window,
            events={lane: add_lines(some) for lane, some in lines.items()},
            deliveries=_delivery_lines(sides),
            violations=found.violations,
            settling=found.settling,
            missing=tuple(found.missing),
            repaired=await self._mended(sides, found) if mend else 0,
        )

    async def _mended(self, sides: Sides, found: Found) -> int:
        return await repair(self._log, found.events, {name for _, name in sides.channels()})

    async def _tally(
        self, lane: Lane, partition: int, window: Window, planned: Planned
    ) -> PartitionTally:
        topic = f"events.{lane}"
        cut = self._log.end(topic, partition)
        tally = PartitionTally(lane, partition, window, planned, cut)
        async for batch in read_window(self._log, topic, partition, *window[:2]):
            tally.take_events(batch.position, batch.records[: max(0, cut - batch.position)])
        async for batch in read_window(self._log, f"plans.{lane}", partition, *window[:2]):
            tally.take_plans(batch.records)
        return tally

    async def _window(self, since_ms: int, until_ms: int | None) -> Window:
        now_ms = self._clock.now_ms()
        until_ms = now_ms + 1 if until_ms is None else min(until_ms, now_ms + 1)
        if since_ms >= until_ms:
            raise RequestRefused(
                "the window is empty: since must be before until and now, and what ended before"
                " retention is not kept"
            )
        edge_ms = min(now_ms - SETTLING_MS, await self._followed_ms(now_ms), until_ms)
        window = Window(since_ms, until_ms, max(since_ms, edge_ms))
        # On the edge of a bucket, so that each bucket is on one side.
        return window._replace(edge_ms=window.part(0, window.bucket(window.edge_ms))[1])

    async def _followed_ms(self, now_ms: int) -> int:
        """Return up to when the views have followed, where they are apart and may lag."""
        if self._log.atomic_with_views:
            return now_ms
        places = []
        followed = {**await self._ledger.marks()}
        expanded = await self._log.committed(EXPANDERS)
        for topic in followed_topics():
            for partition in partitions_of(self._log, topic):
                where = (topic, partition)
                mark = min(followed.get(where, 0), expanded.get(where, 1 << 62))
                if mark < self._log.end(*where):
                    places.append((*where, mark))
        first = await self._log.pick(places)
        stamps = [each.stamp_ms for each in first.values() if not isinstance(each, Poison)]
        return min(stamps, default=now_ms)


def _delivery_lines(sides: Sides) -> dict[str, dict[str, DeliveryLine]]:
    buckets = sides.window.bucket(sides.window.until_ms) + 1
    settled = dict(sides.settled)
    for key, number in sides.young.items():
        settled[key] = settled.get(key, 0) + number
    waiting: dict[tuple[str, str], int] = {}
    for of in sides.pending.values():
        waiting[of] = waiting.get(of, 0) + 1
    lines: dict[str, dict[str, DeliveryLine]] = {}
    for of in sorted(sides.channels()):
        planned = sides.planned.total(of, 0, buckets)
        line = delivery_line(of, planned, settled, waiting.get(of, 0))
        lines.setdefault(of[0], {})[of[1]] = line
    return lines
