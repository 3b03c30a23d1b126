"""Finding in the log what is known of deliveries of which nothing is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tocsin.domain.attempts import History
from tocsin.domain.ids import accepted_ms, recipient_of
from tocsin.domain.records import OUTCOME_RECORDS, Attempt, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.ports.log import Log

_CLUSTER_MS: Final = 200
"""Times no farther apart than this are looked for together."""
_READ_RECORDS: Final = 2_000

Spans = Sequence[tuple[int, int]]


class LookBack:
    """
    Reads ``outcomes`` about the times of deliveries, and past them once that costs no more.

    After an outage what was tried lies scattered: many deliveries of one time were tried again at
    many others, so to look a few of them up may read most of an hour. Whoever has read as much for
    a few at a time as it takes to read all since the oldest of them does that once, and keeps
    whatever has not settled.
    """

    def __init__(self, log: Log, *, held_max: int) -> None:
        """*held_max* others are held in mind while everything since a time is read."""
        self._log = log
        self._held_max = held_max
        self._spent = [0] * log.partitions
        """How many records were read for a few deliveries at a time, by partition."""

    async def of(self, deliveries: Iterable[bytes]) -> dict[bytes, History]:
        """Return the history of each; those of events of about one time share a look."""
        found: dict[bytes, History] = {}
        for partition, some in self._by_partition(deliveries).items():
            reading = _Reading(some)
            await self._read(partition, await self._spans(partition, some), reading)
            found |= reading.wanted
        return found

    async def and_beyond(
        self, deliveries: Iterable[bytes], now_ms: int
    ) -> tuple[dict[bytes, History], dict[bytes, History]]:
        """Return the history of each, and those of others which have not settled, if any."""
        found: dict[bytes, History] = {}
        others: dict[bytes, History] = {}
        for partition, some in self._by_partition(deliveries).items():
            reading = _Reading(some)
            spans = await self._spans(partition, some)
            if self._worth_all(partition, spans):
                # As long again before: older ones may be asked for next, which have waited longer.
                oldest_ms = accepted_ms(min(some))
                since_ms = max(0, oldest_ms - max(0, now_ms - oldest_ms))
                reading = _Reading(some, since_ms, self._held_max)
                spans = await self._log.spans(OUTCOMES, partition, since_ms)
            await self._read(partition, spans, reading)
            found |= reading.wanted
            others |= reading.unsettled()
        return found, others

    def _by_partition(self, deliveries: Iterable[bytes]) -> dict[int, list[bytes]]:
        wanted: dict[int, list[bytes]] = {}
        for delivery in deliveries:
            partition = self._log.partition_of(OUTCOMES, recipient_of(delivery))
            wanted.setdefault(partition, []).append(delivery)
        return wanted

    def _worth_all(self, partition: int, spans: Spans) -> bool:
        """Return whether as much was read by now, *spans* included, as there is since the first."""
        if not spans:
            return False
        self._spent[partition] += sum(end - first for first, end in spans)
        if self._spent[partition] < self._log.end(OUTCOMES, partition) - spans[0][0]:
            return False
        self._spent[partition] = 0
        return True

    async def _spans(self, partition: int, deliveries: Sequence[bytes]) -> Spans:
        """Return where records about their times may lie, in the order of the log."""
        found: dict[int, int] = {}
        for since_ms, until_ms in _clusters(sorted(set(map(accepted_ms, deliveries)))):
            found.update(await self._log.spans(OUTCOMES, partition, since_ms, until_ms))
        return sorted(found.items())

    async def _read(self, partition: int, spans: Spans, reading: _Reading) -> None:
        for first, end in _runs(spans):
            at = first
            while at < end:
                size = min(_READ_RECORDS, end - at)
                batch = await self._log.read(OUTCOMES, partition, at, records_max=size)
                for record in batch.records[: end - batch.position]:
                    if isinstance(record, OUTCOME_RECORDS):
                        reading.take(record)
                at = max(batch.end, at + 1) if batch.records else end


class _Reading:
    """What one look has found so far."""

    def __init__(self, wanted: Sequence[bytes], since_ms: int = 0, held_max: int = 0) -> None:
        """With *held_max*, also about others of events since then."""
        self.wanted = {delivery: History() for delivery in wanted}
        self._held_max = held_max
        # Keys begin with their times, so they are in the order of those.
        self._since = since_ms.to_bytes(6, "big")
        self._until = b"\xff" * 20 if held_max else b""
        # None once it has settled: what comes later about it must not look like all there is.
        self._others: dict[bytes, History | None] = {}

    def take(self, record: Attempt | Settled) -> None:
        """Fold one record in."""
        delivery = record.delivery
        history = self.wanted.get(delivery)
        if history is not None:
            history.take(record)
        elif self._since <= delivery < self._until:
            self._take_other(delivery, record)

    def _take_other(self, delivery: bytes, record: Attempt | Settled) -> None:
        others = self._others
        if delivery not in others:
            others[delivery] = History()
        other = others[delivery]
        if other is not None:
            other.take(record)
            if other.ended:
                others[delivery] = None
        if len(others) > self._held_max:
            self._shrink()

    def _shrink(self) -> None:
        """Keep to the half of the times that has more waiting."""
        others = self._others
        deliveries = sorted(others)
        middle = len(deliveries) // 2
        earlier, later = deliveries[:middle], deliveries[middle:]
        if _waiting(earlier, others) >= _waiting(later, others):
            self._until, kept = later[0], earlier
        else:
            self._since, kept = later[0], later
        self._others = {each: others[each] for each in kept}

    def unsettled(self) -> dict[bytes, History]:
        """Return the histories of the others that have not settled."""
        return {of: history for of, history in self._others.items() if history is not None}


def _waiting(deliveries: Iterable[bytes], others: Mapping[bytes, History | None]) -> int:
    return sum(others[each] is not None for each in deliveries)


def _runs(spans: Spans) -> Spans:
    """Return ascending *spans* with those that touch as one."""
    found: list[tuple[int, int]] = []
    for first, end in spans:
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((first, end))
    return found


def _clusters(times_ms: Sequence[int]) -> list[tuple[int, int]]:
    """Return [since, until) around ascending times that lie close together."""
    found: list[tuple[int, int]] = []
    for at_ms in times_ms:
        if found and at_ms < found[-1][1] + _CLUSTER_MS:
            found[-1] = (found[-1][0], at_ms + 1)
        else:
            found.append((at_ms, at_ms + 1))
    return found
