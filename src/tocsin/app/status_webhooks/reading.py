"""From the log to statuses, portion by portion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import xxhash

from tocsin.app.project import partitions_of
from tocsin.domain.lanes import LANES
from tocsin.domain.records import Plan, Poison, Record
from tocsin.domain.status_webhook import Spot
from tocsin.domain.statuses import Status, statuses_of
from tocsin.domain.topics import BROADCASTS, OUTCOMES, STATES
from tocsin.ports.log import Log

TOPICS: Final = (
    *(f"plans.{lane}" for lane in LANES),
    *(f"inbox.{lane}" for lane in LANES),
    BROADCASTS,
    OUTCOMES,
    # Last, since what a person did with an item comes after the item.
    STATES,
)
_RECORDS_AT_ONCE: Final = 500
_RECORDS_PER_PORTION: Final = 20_000

Where = tuple[str, int]
At = tuple[int, int]
"""(position, part)."""


@dataclass(slots=True)
class Portion:
    """Some statuses with their ids, and where the next portion begins."""

    until: tuple[Spot, ...]
    statuses: list[tuple[str, Status]] = field(default_factory=list)
    passed: int = 0
    """Records that were looked at."""
    missed: int = 0
    """Records that were gone before they were read."""


def spots_of(places: Mapping[Where, At]) -> tuple[Spot, ...]:
    """Return *places* as they are kept."""
    return tuple((*where, *at) for where, at in places.items())


def ends_of(log: Log) -> dict[Where, At]:
    """
    Return where every topic ends now.

    Taken at one moment: what follows from something else that is below these ends has it below
    them, too.
    """
    return {
        (topic, partition): (log.end(topic, partition), 0)
        for topic in TOPICS
        for partition in partitions_of(log, topic)
    }


class StatusReader:
    """Reads statuses from where they were told last; *see* is shown every plan on the way."""

    def __init__(
        self, log: Log, wants: Callable[[Status], bool], see: Callable[[Plan], None]
    ) -> None:
        self._log = log
        self._wants = wants
        self._see = see
        self._expanded: tuple[Where, int, Sequence[Status]] | None = None

    async def portion(
        self, begin: Sequence[Spot], end: Mapping[Where, At], limit: int | None
    ) -> Portion:
        """
        Return what is to be told of what lies in [begin, end), at most *limit* statuses.

        The same edges without a limit give the same statuses again.
        """
        places = dict.fromkeys(end, (0, 0))
        places |= {spot[:2]: spot[2:] for spot in begin if spot[:2] in end}
        found = Portion(())
        for where in sorted(end, key=lambda each: (TOPICS.index(each[0]), each[1])):
            while places[where] < end[where] and _has_room(found, limit):
                places[where] = await self._advance(where, places[where], end[where], found, limit)
        found.until = spots_of(places)
        return found

    async def _advance(
        self, where: Where, at: At, end: At, found: Portion, limit: int | None
    ) -> At:
        """Read once from *at* on, and return how far it came."""
        last = end[0] + (1 if end[1] else 0)
        most = min(_RECORDS_AT_ONCE, last - at[0])
        batch = await self._log.read(*where, at[0], records_max=most)
        position, part = at
        if batch.position > position:
            found.missed += min(batch.position, end[0]) - position
            position, part = batch.position, 0
        if not batch.records:
            return end
        for record in batch.records:
            if (position, part) >= end:
                return end
            statuses = self._statuses(where, position, record)
            stop = end[1] if position == end[0] else len(statuses)
            part = self._take(where, position, range(part, stop), statuses, found, limit)
            if part < stop:
                return position, part
            if position == end[0]:
                return end
            found.passed += 1
            position, part = position + 1, 0
        return position, part

    def _take(
        self,
        where: Where,
        position: int,
        parts: range,
        statuses: Sequence[Status],
        found: Portion,
        limit: int | None,
    ) -> int:
        """Add those of *parts* that are wanted while there is room; returns how far it came."""
        for part in parts:
            if not _has_room(found, limit):
                return part
            status = statuses[part]
            if self._wants(status):
                found.statuses.append((self._id(where, position, part), status))
        return parts.stop

    def _statuses(self, where: Where, position: int, record: Record | Poison) -> Sequence[Status]:
        if isinstance(record, Plan):
            self._see(record)
        known = self._expanded
        if known is not None and known[:2] == (where, position):
            return known[2]
        statuses = statuses_of(where[0], record)
        if len(statuses) > _RECORDS_AT_ONCE:
            # A fan-out's chunk is told in many portions, and opened once.
            self._expanded = (where, position, statuses)
        return statuses

    def _id(self, where: Where, position: int, part: int) -> str:
        text = f"{self._log.incarnation}/{where[0]}/{where[1]}/{position}/{part}"
        return f"sts_{xxhash.xxh3_128_hexdigest(text.encode())}"


def _has_room(found: Portion, limit: int | None) -> bool:
    return limit is None or (len(found.statuses) < limit and found.passed < _RECORDS_PER_PORTION)
