"""
The audit's sums, from records to two lines that must balance.

Planned deliveries are counted from plans and chunks of fan-outs, what became of them from the
ledger's settlements and from what still waits. Nothing is computed from the other side, or a loss
would not show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from pyroaring import BitMap, BitMap64

from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.intervals import interval_key
from tocsin.domain.lanes import Lane
from tocsin.domain.reasons import UNROUTED, Outcome, Verdict
from tocsin.domain.records import Broadcast, Event, Plan, Poison, Record

SETTLING_MS: Final = 60_000
"""What is younger may still differ: its records are on their way."""

MISSING_MAX: Final = 100
"""So many ids are named."""

STATES: Final = ("sent", "delivered", "suppressed", "failed", "expired", "cancelled")

_BUCKETS_MAX: Final = 3_600
_BUCKET_MS: Final = 1_000

Channel = tuple[str, str]
"""(lane, channel)."""


class Window(NamedTuple):
    """
    What is audited: accepted in [since, until), in ms.

    What was accepted at or after ``edge_ms`` may still be settling.
    """

    since_ms: int
    until_ms: int
    edge_ms: int

    def holds(self, at_ms: int) -> bool:
        """Return whether the window holds an acceptance time."""
        return self.since_ms <= at_ms < self.until_ms

    @property
    def bucket_ms(self) -> int:
        """How finely deliveries are counted, so that a difference is found without all names."""
        return max(_BUCKET_MS, -(-(self.until_ms - self.since_ms) // _BUCKETS_MAX))

    def bucket(self, at_ms: int) -> int:
        """Return the bucket of an acceptance time."""
        return (at_ms - self.since_ms) // self.bucket_ms

    def part(self, first: int, end: int) -> tuple[int, int]:
        """Return the part of the window that buckets [first, end) cover, as (since, until)."""
        size = self.bucket_ms
        return self.since_ms + first * size, min(self.until_ms, self.since_ms + end * size)


class EventLine(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one lane: ``accepted = routed + unrouted + aliases + waiting``."""

    accepted: int = 0
    routed: int = 0
    unrouted: int = 0
    aliases: int = 0
    waiting: int = 0

    @property
    def difference(self) -> int:
        """How many more were accepted than became anything."""
        return self.accepted - self.routed - self.unrouted - self.aliases - self.waiting


class DeliveryLine(msgspec.Struct, frozen=True, kw_only=True):
    """Deliveries of one lane and channel: planned, and what became of them."""

    planned: int = 0
    sent: int = 0
    delivered: int = 0
    suppressed: int = 0
    failed: int = 0
    expired: int = 0
    cancelled: int = 0
    pending: int = 0

    @property
    def difference(self) -> int:
        """How many more were planned than became anything."""
        ended = self.sent + self.delivered + self.suppressed
        return self.planned - ended - self.failed - self.expired - self.cancelled - self.pending


class Missing(msgspec.Struct, frozen=True):
    """One thing that the other side does not have."""

    kind: str
    """
    event | plan | delivery | run | fanout | settled (the id then is the second of acceptance).
    """
    id: str
    detail: str


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """Both lines for one window."""

    window: Window
    events: Mapping[str, EventLine]
    deliveries: Mapping[str, Mapping[str, DeliveryLine]]
    violations: int
    """Events and deliveries that do not balance, beyond what is settling."""
    settling: int
    missing: tuple[Missing, ...]
    resting: int = 0
    """Runs at a delay or a wait: what they deliver after it is planned nowhere yet."""
    repaired: int = 0
    """Events that were put before the router once more."""

    @property
    def balanced(self) -> bool:
        """Whether nothing is unequal beyond what is settling."""
        return self.violations == 0

    @property
    def pending(self) -> int:
        """How many deliveries wait."""
        return sum(line.pending for lines in self.deliveries.values() for line in lines.values())


class Deferred(NamedTuple):
    """A delivery that a plan put off."""

    channel: str
    until_ms: int
    released: bytes
    """The timer that the plan answers, empty when it is the event's own."""


class Planned:
    """Deliveries as plans and chunks name them, by bucket and channel."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self.counts: dict[tuple[int, str, str], int] = {}
        """(bucket, lane, channel) → how many."""
        self.deferred: dict[bytes, tuple[str, Deferred]] = {}
        self.resting: set[bytes] = set()
        """Keys of the delays and waits that runs came to."""
        self.answered: set[bytes] = set()
        """Keys of the records that plans answer, but for events."""
        self._chunks: set[tuple[bytes, int, int, int]] = set()

    def add(self, lane: str, channel: str, at_ms: int, number: int) -> None:
        """Count *number* deliveries of an event that was accepted at *at_ms*."""
        key = (self._window.bucket(at_ms), lane, channel)
        self.counts[key] = self.counts.get(key, 0) + number

    def take_plan(self, lane: str, plan: Plan) -> None:
        """
        Count a plan's deliveries.

        The first decision of a release is about a delivery that was planned before; what follows
        it came in its place and is new. All of a replay is new.
        """
        at_ms = plan.stamp_ms
        if plan.input_key != plan.event:
            self.answered.add(plan.input_key)
        for run in plan.runs:
            for recipient, number in run.waits:
                resting = notification_key(EventKey(plan.event), run.index, recipient)
                self.resting.add(interval_key(resting, number))
            for note in run.notifications:
                for place, decision in enumerate(note.decisions):
                    if place or plan.released is None or plan.replay_of is not None:
                        self.add(lane, decision.channel, at_ms, 1)
                    if decision.verdict is Verdict.DEFER and decision.until_ms is not None:
                        key = notification_key(EventKey(plan.event), run.index, note.recipient)
                        delivery = delivery_key(
                            key, decision.step, decision.address, plan.generation
                        )
                        until = Deferred(decision.channel, decision.until_ms, plan.released or b"")
                        self.deferred[delivery] = (lane, until)

    def take_chunk(self, chunk: Broadcast) -> None:
        """Count a fan-out's chunk by all that its bitmaps name; of two records the first counts."""
        place = (chunk.fanout, chunk.step, chunk.block, chunk.part)
        if self._window.holds(chunk.stamp_ms) and place not in self._chunks:
            self._chunks.add(place)
            self.add(chunk.lane, chunk.channel, chunk.stamp_ms, len(members(chunk)))

    def channels(self) -> set[Channel]:
        """Return every (lane, channel) that something was planned for."""
        return {(lane, channel) for _, lane, channel in self.counts}

    def total(self, of: Channel, first: int, end: int) -> int:
        """Return how many were planned for one channel in buckets [first, end)."""
        lane, channel = of
        if end - first == 1:
            return self.counts.get((first, lane, channel), 0)
        return sum(
            number
            for (bucket, *other), number in self.counts.items()
            if first <= bucket < end and tuple(other) == of
        )


def members(chunk: Broadcast) -> BitMap:
    """Return everyone whom a chunk decided about, whatever the reason."""
    found = BitMap()
    for numbers in chunk.by_reason.values():
        found |= BitMap.deserialize(numbers)
    return found


class PartitionTally:
    """
    One partition of one lane: its events against its plans, by position.

    Plans carry the position of their input, so a million events compare as two bitmaps.
    """

    def __init__(
        self, lane: Lane, partition: int, window: Window, planned: Planned, cut: int
    ) -> None:
        """*cut* is the position before which events are looked at; later ones are not known."""
        self.lane = lane
        self.partition = partition
        self._cut = cut
        self._window = window
        self._planned = planned
        self._accepted = BitMap64()
        self._answered = BitMap64()
        self._outcomes: dict[Outcome, int] = {}
        self._mark = -1

    def take_events(self, position: int, records: Sequence[Record | Poison]) -> None:
        """Note input records, the first of them at *position*."""
        since_ms, until_ms, _ = self._window
        self._accepted.update(
            place
            for place, record in enumerate(records, position)
            # What cannot be read has no time: it counts where it lies.
            if isinstance(record, Poison)
            or (isinstance(record, Event) and since_ms <= record.accepted_ms < until_ms)
        )

    def take_plans(self, records: Sequence[Record | Poison]) -> None:
        """Note plans, in order. A second plan of the same input counts as nothing."""
        answered: list[int] = []
        for plan in records:
            if not isinstance(plan, Plan) or plan.position <= self._mark:
                continue
            self._mark = plan.position
            if not self._concerns(plan):
                continue
            if plan.input_key == plan.event:
                # The answer to an event itself, not to a timer's release or a part of a fan-out.
                answered.append(plan.position)
                self._outcomes[plan.outcome] = self._outcomes.get(plan.outcome, 0) + 1
            if plan.runs:
                self._planned.take_plan(self.lane, plan)
        self._answered.update(answered)

    def _concerns(self, plan: Plan) -> bool:
        if plan.outcome is Outcome.REPEAT or plan.event_position >= self._cut:
            return False
        if not plan.event:
            return plan.position in self._accepted
        return self._window.holds(plan.stamp_ms)

    def unplanned(self, committed: int) -> list[int]:
        """Return positions below *committed*, where the router stands, that no plan names."""
        return [place for place in self._accepted - self._answered if place < committed]

    def unknown(self) -> list[int]:
        """Return positions that plans name and the log does not hold."""
        return list(self._answered - self._accepted)

    def line(self, committed: int, repeated: int) -> EventLine:
        """
        Return the partition's sums.

        *repeated* records are not events of their own: a repair appended them once more.
        """
        waiting = sum(place >= committed for place in self._accepted - self._answered)
        unrouted = sum(self._outcomes.get(outcome, 0) for outcome in UNROUTED)
        return EventLine(
            accepted=len(self._accepted) - repeated,
            routed=sum(self._outcomes.get(outcome, 0) for outcome in _ROUTED),
            unrouted=unrouted,
            aliases=self._outcomes.get(Outcome.ALIAS, 0),
            waiting=waiting,
        )


_ROUTED: Final = (Outcome.ROUTED, Outcome.SCHEDULED)


def add_lines(lines: Sequence[EventLine]) -> EventLine:
    """Return the sum of the partitions of a lane."""
    names = EventLine.__struct_fields__
    return EventLine(**{name: sum(getattr(line, name) for line in lines) for name in names})


def delivery_line(
    of: Channel, planned: int, settled: Mapping[tuple[str, str, str], int], pending: int
) -> DeliveryLine:
    """Return one channel's line; *settled* is by (lane, channel, state)."""
    states = {state: settled.get((*of, state), 0) for state in STATES}
    return DeliveryLine(planned=planned, pending=pending, **states)


def planned_deliveries(plan: Plan, of: str) -> Iterator[bytes]:
    """Yield the keys of the plan's deliveries on the channel *of*."""
    for run in plan.runs:
        for note in run.notifications:
            for decision in note.decisions:
                if decision.channel == of:
                    key = notification_key(EventKey(plan.event), run.index, note.recipient)
                    yield delivery_key(key, decision.step, decision.address, plan.generation)


def summary(audit: Audit) -> str:
    """Return the audit as one sentence."""
    accepted = sum(line.accepted for line in audit.events.values())
    planned = sum(line.planned for by in audit.deliveries.values() for line in by.values())
    waiting = sum(line.waiting for line in audit.events.values())
    counted = f"{_count(accepted, 'event')} and {_count(planned, 'delivery', 'deliveries')}"
    rests = []
    if waiting:
        rests.append(f"{_count(waiting, 'event')} {_verb(waiting, 'waits', 'wait')} to be routed")
    if audit.pending:
        pending = _count(audit.pending, "delivery", "deliveries")
        rests.append(f"{pending} {_verb(audit.pending, 'is', 'are')} pending")
    if audit.resting:
        runs = _count(audit.resting, "run")
        rests.append(f"{runs} {_verb(audit.resting, 'is', 'are')} at a delay or a wait")
    if audit.settling:
        young = _verb(audit.settling, "is", "are")
        rests.append(f"{audit.settling} {young} younger than a minute and settling")
    rest = "".join(f"; {each}" for each in rests)
    if not audit.balanced:
        verb = _verb(audit.violations, "is", "are")
        return f"Not balanced: {audit.violations} of {counted} {verb} not accounted for{rest}."
    if not accepted and not planned:
        return f"Balanced: nothing was accepted and nothing planned in this time{rest}."
    return f"Balanced: {counted} are accounted for{rest}."


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _verb(number: int, one: str, many: str) -> str:
    return one if number == 1 else many
