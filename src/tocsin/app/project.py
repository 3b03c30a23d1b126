"""
From plans to views: what follows is derived, and views are brought up to it.

Where one engine holds log and views, `following` gives route what to write in its own transaction.
Where they are apart, `Expander` and `Projector` do the same as readers, each with marks of its own.
Both ways end in the same rows: they call the same functions on the same records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from tocsin.domain.follow import follow
from tocsin.domain.lanes import LANES, Lane
from tocsin.domain.marks import Sight, sight
from tocsin.domain.records import Handoff, Item, Plan
from tocsin.domain.topics import OUTCOMES, STREAMS
from tocsin.ports.cache import Feed
from tocsin.ports.log import Batch, Follow, Log, Output, PreparedWrite, Projection, Source, Step
from tocsin.ports.views import InboxView, LedgerView

EXPANDERS: Final = "expand"
"""The group of the readers that write what follows from plans."""

_BATCH_RECORDS: Final = 2_000

logger = structlog.get_logger(__name__)


class View(Protocol):
    """What `Projector` needs of a view."""

    async def write(self, batches: Sequence[Batch]) -> None:
        """Apply *batches* and advance the marks."""

    async def marks(self) -> Mapping[tuple[str, int], int]:
        """Return how far each partition is applied."""


class InboxProjection:
    """The inbox follows ``inbox.*`` and tells the gateways."""

    def __init__(self, view: InboxView, feed: Feed) -> None:
        self._view = view
        self._feed = feed

    def follows(self, topic: str) -> bool:
        """Return whether the inbox holds records of *topic*."""
        return topic.startswith("inbox.")

    def prepare(self, batches: Sequence[Batch]) -> PreparedWrite:
        """Return the write for the step's transaction."""
        return self._view.prepare(batches)

    def applied(self, batches: Sequence[Batch]) -> None:
        """Wake the gateways: what they are told is durable."""
        self._view.applied(batches)
        self._feed.publish(batches)


class LedgerProjection:
    """The ledger follows plans, items, broadcasts and outcomes."""

    def __init__(self, view: LedgerView, tell: Callable[[Sequence[Batch]], None]) -> None:
        """*tell* hears of what has been taken, for metrics."""
        self._view = view
        self._tell = tell

    def follows(self, topic: str) -> bool:
        """Return whether the ledger settles or counts records of *topic*."""
        return topic.startswith(("plans.", "inbox.", OUTCOMES))

    def prepare(self, batches: Sequence[Batch]) -> PreparedWrite:
        """Return the write for the step's transaction."""
        return self._view.prepare(batches)

    def applied(self, batches: Sequence[Batch]) -> None:
        """Count them; nobody waits for the ledger."""
        self._tell(batches)


def derive(
    log: Log, lane: Lane, batch: Batch, repeats: AbstractSet[int] = frozenset()
) -> list[Output]:
    """Return the outputs that follow from a batch of ``plans.<lane>``, in order."""
    gathered: dict[tuple[str, int], list[Item | Handoff]] = {}
    one = log.partitions == 1
    for position, plan in enumerate(batch.records, batch.position):
        if isinstance(plan, Plan) and position not in repeats:
            for topic, recipient, record in follow(plan, lane, batch.partition, position):
                where = (topic, 0 if one else log.partition_of(topic, recipient))
                gathered.setdefault(where, []).append(record)
    return [Output(topic, partition, made) for (topic, partition), made in gathered.items()]


def following(log: Log, lane: Lane, projections: Sequence[Projection]) -> Follow:
    """Return what route writes together with its plans, on one engine."""
    return Follow(derive=lambda batch: derive(log, lane, batch), projections=projections)


class Expander:
    """Reads ``plans.<lane>`` and appends what follows. For layouts where views are apart."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._owned: dict[Lane, Sequence[_Followed]] = {}

    def busy(self) -> bool:
        """Return whether there is a plan that is not expanded yet."""
        return any(
            lane not in self._owned
            or any(
                one.position < self._log.end(f"plans.{lane}", one.partition)
                for one in self._owned[lane]
            )
            for lane in LANES
        )

    async def run(self, lane: Lane) -> None:
        """Follow *lane* until cancelled."""
        log = self._log
        topic = f"plans.{lane}"
        owned = [await self._own(topic, partition) for partition in range(log.partitions)]
        self._owned[lane] = owned
        while True:
            moved = [one for one in owned if await self._expand(lane, topic, one)]
            if not moved:
                await log.wait({(topic, one.partition): one.position for one in owned})

    async def _own(self, topic: str, partition: int) -> _Followed:
        """Take a partition over; the mark is in the last plan that was expanded."""
        epoch, position = await self._log.acquire(EXPANDERS, topic, partition)
        mark = -1
        if position:
            # Kept long enough it is gone; then what comes next says itself what came before it.
            last = await self._log.read(topic, partition, position - 1, records_max=1)
            plan = last.records[0] if last.records else None
            if isinstance(plan, Plan) and last.position < position:
                mark = plan.position
        return _Followed(partition, epoch, position, mark)

    async def _expand(self, lane: Lane, topic: str, one: _Followed) -> bool:
        log = self._log
        batch = await log.read(topic, one.partition, one.position, records_max=_BATCH_RECORDS)
        if not batch.records:
            return False
        mark, repeats, gaps = take(_mark(one, batch), batch)
        if repeats or gaps:
            logger.warning("plans_out_of_order", lane=lane, repeats=len(repeats), gaps=gaps)
        source = Source(EXPANDERS, topic, one.partition, one.position, batch.end, one.epoch)
        await log.commit(Step([source], derive(log, lane, batch, repeats)))
        one.position, one.mark = batch.end, mark
        return True


@dataclass(slots=True)
class _Followed:
    """How far one partition of plans is expanded; ``mark`` is an input's position."""

    partition: int
    epoch: int
    position: int
    mark: int


def _mark(one: _Followed, batch: Batch) -> int:
    """Return the mark before *batch*; where the plan that held it is gone, by its first plan."""
    if one.mark >= 0 or not one.position:
        return one.mark
    return next((each.previous for each in batch.records if isinstance(each, Plan)), -1)


def take(mark: int, batch: Batch) -> tuple[int, set[int], int]:
    """
    Return the mark after *batch*, the positions of plans that repeat one, and how many gaps it has.

    A plan beyond a gap is taken all the same: this log stores plans together with route's position,
    so nobody will write what is missing again, and the audit names it. A log without that common
    transaction has its reader wait there instead (`tocsin.domain.marks`).
    """
    repeats: set[int] = set()
    gaps = 0
    for position, plan in enumerate(batch.records, batch.position):
        if not isinstance(plan, Plan):
            continue
        seen = sight(mark, plan.position, plan.previous)
        if seen is Sight.REPEAT:
            repeats.add(position)
            continue
        gaps += seen is Sight.GAP
        mark = plan.position
    return mark, repeats, gaps


class Projector:
    """Brings one view up to the log. For layouts where the view is apart."""

    def __init__(self, log: Log, view: View, projection: Projection) -> None:
        self._log = log
        self._view = view
        self._projection = projection
        self._positions: dict[tuple[str, int], int] | None = None

    def busy(self) -> bool:
        """Return whether the view is behind the log."""
        at = self._positions
        return at is None or any(position < self._log.end(*place) for place, position in at.items())

    async def run(self) -> None:
        """Follow every topic of the view until cancelled."""
        log = self._log
        marks = dict(await self._view.marks())
        positions = {
            (topic, partition): marks.get((topic, partition), 0)
            for topic in followed_topics()
            if self._projection.follows(topic)
            for partition in partitions_of(log, topic)
        }
        self._positions = positions
        while True:
            batches = []
            for (topic, partition), position in positions.items():
                batch = await log.read(topic, partition, position, records_max=_BATCH_RECORDS)
                if batch.records:
                    batches.append(batch)
            if not batches:
                await log.wait(positions)
                continue
            await self._view.write(batches)
            for batch in batches:
                positions[batch.topic, batch.partition] = batch.end
            self._projection.applied(batches)


def followed_topics() -> tuple[str, ...]:
    """Return every topic that a view follows."""
    return (*(f"plans.{lane}" for lane in LANES), *STREAMS, OUTCOMES)


def partitions_of(log: Log, topic: str) -> range:
    """Return the partitions of *topic*."""
    return range(1 if log.partition_of(topic, 1) == log.partition_of(topic, 0) else log.partitions)
