"""Where the two sides differ: first by time, then by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tocsin.app.auditing.pending import Pending
from tocsin.app.auditing.slices import read_window
from tocsin.domain.audit import (
    MISSING_MAX,
    Channel,
    Missing,
    PartitionTally,
    Planned,
    Window,
    planned_deliveries,
)
from tocsin.domain.ids import accepted_ms, show_delivery, show_event, show_fanout
from tocsin.domain.instants import show_instant
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import Broadcast, Event, Plan
from tocsin.domain.topics import BROADCASTS
from tocsin.ports.log import Log, Place
from tocsin.ports.views import LedgerView

_BUCKETS_LOOKED_INTO_MAX: Final = 100
_AT_ONCE: Final = 1_000

Settled = Mapping[tuple[str, str, str], int]


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of line 2; ``young`` is what settled of what was accepted at the edge or later."""

    window: Window
    planned: Planned
    settled: Settled
    young: Settled
    pending: Pending

    def channels(self) -> set[Channel]:
        """Return every channel that either side names."""
        settled = {key[:2] for key in (*self.settled, *self.young)}
        return self.planned.channels() | settled

    def waiting(self, of: Channel, first: int, end: int) -> int:
        """Return how many of one channel wait that were accepted in buckets [first, end)."""
        return len(self.waiting_in(of, first, end))

    def waiting_in(self, of: Channel, first: int, end: int) -> list[bytes]:
        """Return which of one channel wait that were accepted in buckets [first, end)."""
        return [
            delivery
            for delivery, each in self.pending.items()
            if each == of and first <= self.window.bucket(accepted_ms(delivery)) < end
        ]


@dataclass(slots=True)
class Found:
    """What does not balance."""

    violations: int = 0
    settling: int = 0
    missing: list[Missing] = field(default_factory=list)
    events: list[Place] = field(default_factory=list)
    """Where the events lie that no plan names."""
    repeated: dict[tuple[str, int], int] = field(default_factory=dict)
    """Records, per (lane, partition), that a repair has appended anew."""

    def name(self, kind: str, id: str, detail: str) -> None:
        """Count one thing and name it, up to the limit."""
        self.violations += 1
        if len(self.missing) < MISSING_MAX:
            self.missing.append(Missing(kind, id, detail))


class Differences:
    """Names what is missing."""

    def __init__(self, log: Log, ledger: LedgerView) -> None:
        self._log = log
        self._ledger = ledger

    async def events(
        self,
        window: Window,
        tallies: Sequence[PartitionTally],
        routed: Mapping[tuple[str, int], int],
    ) -> Found:
        """Find events without a plan, and plans without an event."""
        found = Found()
        for tally in tallies:
            topic = f"events.{tally.lane}"
            committed = routed.get((topic, tally.partition), 0)
            lost = [(topic, tally.partition, p) for p in tally.unplanned(committed)]
            if lost:
                await self._unplanned(window, tally, lost, found)
            unknown = set(tally.unknown())
            if unknown:
                await self._unknown(window, tally, unknown, found)
        return found

    async def _unplanned(
        self, window: Window, tally: PartitionTally, lost: Sequence[Place], found: Found
    ) -> None:
        records = await self._log.pick(lost)
        answered = await self._answered(
            tally, [r for r in records.values() if isinstance(r, Event)]
        )
        for place in lost:
            record = records.get(place)
            if not isinstance(record, Event):
                found.name("event", f"{place[0]}/{place[1]}/{place[2]}", "no plan, unreadable")
            elif record.key in answered:
                where = (tally.lane, tally.partition)
                found.repeated[where] = found.repeated.get(where, 0) + 1
            elif record.accepted_ms >= window.edge_ms:
                found.settling += 1
            else:
                found.events.append(place)
                found.name("event", show_event(record.key), f"accepted in {tally.lane}, no plan")

    async def _answered(self, tally: PartitionTally, events: Sequence[Event]) -> set[bytes]:
        """Return the keys that some plan names: a repair appends an event at another position."""
        if not events:
            return set()
        stamps = [each.accepted_ms for each in events]
        wanted = {each.key for each in events}
        return {
            plan.event
            async for plan in self._plans(tally.lane, tally.partition, min(stamps), max(stamps) + 1)
            if plan.event in wanted
        }

    async def _unknown(
        self, window: Window, tally: PartitionTally, unknown: set[int], found: Found
    ) -> None:
        async for plan in self._plans(tally.lane, tally.partition, *window[:2]):
            own = plan.input_key == plan.event
            if own and plan.position in unknown and window.holds(plan.stamp_ms):
                unknown.discard(plan.position)
                if plan.stamp_ms >= window.edge_ms:
                    found.settling += 1
                else:
                    detail = f"planned in {tally.lane}, and the log does not hold the event"
                    found.name("plan", show_event(plan.event), detail)

    async def deliveries(self, sides: Sides, found: Found) -> None:
        """Find deliveries that were planned and came to nothing, and the other way round."""
        window = sides.window
        edge, end = window.bucket(window.edge_ms), window.bucket(window.until_ms) + 1
        for of in sorted(sides.channels()):
            young = sides.planned.total(of, edge, end) - sides.waiting(of, edge, end)
            found.settling += abs(young - _sum(sides.young, of))
            old = sides.planned.total(of, 0, edge) - sides.waiting(of, 0, edge)
            if old != _sum(sides.settled, of):
                await self._narrow(sides, of, edge, found)

    async def _narrow(self, sides: Sides, of: Channel, edge: int, found: Found) -> None:
        """Halve the window where the sides differ, until a bucket's deliveries can be named."""
        parts = [(0, edge)]
        looked_into = 0
        while parts and looked_into < _BUCKETS_LOOKED_INTO_MAX:
            first, end = parts.pop()
            since_ms, until_ms = sides.window.part(first, end)
            settled = _sum(await self._ledger.settled_counts(since_ms, until_ms), of)
            if sides.planned.total(of, first, end) == settled + sides.waiting(of, first, end):
                continue
            if end - first > 1:
                middle = (first + end) // 2
                parts += [(first, middle), (middle, end)]
                continue
            looked_into += 1
            await self._look_into(sides, of, (since_ms, until_ms), settled, found)
        for first, end in parts:
            settled = _sum(await self._ledger.settled_counts(*sides.window.part(first, end)), of)
            planned = sides.planned.total(of, first, end) - sides.waiting(of, first, end)
            rest = await self._unless_settled_since(planned - settled, sides, of, first, end)
            found.violations += abs(rest)

    async def _look_into(
        self, sides: Sides, of: Channel, part: tuple[int, int], settled: int, found: Found
    ) -> None:
        """Count one bucket anew, after what settled was read, and name what is missing."""
        lane, channel = of
        again = Planned(sides.window)
        names: list[bytes] = []
        for partition in range(self._log.partitions):
            async for plan in self._plans(lane, partition, *part):
                if part[0] <= plan.stamp_ms < part[1]:
                    again.take_plan(lane, plan)
                    names.extend(planned_deliveries(plan, channel))
        fanouts = await self._chunks(part, of, again)
        bucket = sides.window.bucket(part[0])
        lost = await self._lost(names, sides)
        for delivery in lost:
            found.name("delivery", show_delivery(delivery), f"planned in {lane}/{channel}")
        waiting = sides.waiting(of, bucket, bucket + 1)
        rest = again.total(of, bucket, bucket + 1) - waiting - settled - len(lost)
        rest = await self._unless_settled_since(rest, sides, of, bucket, bucket + 1)
        if rest > 0 and fanouts:
            detail = f"{rest} of its {lane}/{channel} deliveries have not settled"
            found.name("fanout", show_fanout(fanouts[0]), detail)
            found.violations += rest - 1
        elif rest < 0:
            detail = f"{-rest} of {lane}/{channel} settled and are planned nowhere"
            found.name("settled", show_instant(part[0]), detail)
            found.violations += -rest - 1

    async def _unless_settled_since(
        self, rest: int, sides: Sides, of: Channel, first: int, end: int
    ) -> int:
        """
        Return *rest*; when more settled than was to, without what only looks so.

        A delivery that waited when that was read may have settled before it was counted here: it
        is on both sides.
        """
        if rest >= 0:
            return rest
        waited = sides.waiting_in(of, first, end)
        since = 0
        for begin in range(0, len(waited), _AT_ONCE):
            since += len(await self._ledger.settled(waited[begin : begin + _AT_ONCE]))
        return min(0, rest + since)

    async def _lost(self, deliveries: Sequence[bytes], sides: Sides) -> list[bytes]:
        wanted = [each for each in dict.fromkeys(deliveries) if each not in sides.pending]
        lost = []
        for begin in range(0, len(wanted), _AT_ONCE):
            some = wanted[begin : begin + _AT_ONCE]
            settled = await self._ledger.settled(some)
            lost += [each for each in some if each not in settled]
        return lost

    async def _plans(
        self, lane: str, partition: int, since_ms: int, until_ms: int
    ) -> AsyncIterator[Plan]:
        topic = f"plans.{lane}"
        async for batch in read_window(self._log, topic, partition, since_ms, until_ms):
            for plan in batch.records:
                if isinstance(plan, Plan) and plan.outcome is not Outcome.REPEAT:
                    yield plan

    async def _chunks(self, part: tuple[int, int], of: Channel, again: Planned) -> list[bytes]:
        """Count the chunks of a bucket; return the fan-outs that they belong to."""
        found: dict[bytes, None] = {}
        async for batch in read_window(self._log, BROADCASTS, 0, *part):
            for each in batch.records:
                if isinstance(each, Broadcast) and part[0] <= each.stamp_ms < part[1]:
                    again.take_chunk(each)
                    if (each.lane, each.channel) == of:
                        found[each.fanout] = None
        return list(found)


def _sum(settled: Settled, of: Channel) -> int:
    return sum(number for (lane, channel, _), number in settled.items() if (lane, channel) == of)
