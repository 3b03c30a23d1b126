"""
The newest records of each partition, as objects.

A reader that keeps up gets the very objects that were appended: nothing is read or decoded twice.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping, Sequence

from tocsin.domain.records import Poison, Record
from tocsin.ports.log import Batch

Place = tuple[str, int]
"""(topic, partition)."""


class Tail:
    """The durable end of one partition."""

    __slots__ = ("_batches", "_held", "_records_max", "durable")

    def __init__(self, durable: int, records_max: int) -> None:
        self.durable = durable
        """The position after the last durable record."""
        self._batches: deque[Batch] = deque()
        self._held = 0
        self._records_max = records_max

    def grow(self, batch: Batch) -> None:
        """Add a batch that has just become durable."""
        self.durable = batch.end
        self._batches.append(batch)
        self._held += len(batch.records)
        while self._held > self._records_max and len(self._batches) > 1:
            self._held -= len(self._batches.popleft().records)

    def forget(self, below: int) -> None:
        """Let go what lies wholly below *below*."""
        while self._batches and self._batches[0].end <= below:
            self._held -= len(self._batches.popleft().records)

    def read(self, position: int, records_max: int) -> tuple[int, list[Record | Poison]] | None:
        """Return (first position, records), or None when *position* lies before the tail."""
        if position >= self.durable:
            return position, []
        if not self._batches or position < self._batches[0].position:
            return None
        index = bisect_right(self._batches, position, key=_begin) - 1
        batch = self._batches[index]
        if position >= batch.end:
            # A failed step left a hole here: go on after it.
            index += 1
            batch = self._batches[index]
            position = batch.position
        found = list(batch.records[position - batch.position :])
        while len(found) < records_max and index + 1 < len(self._batches):
            index += 1
            following = self._batches[index]
            if following.position != position + len(found):
                break
            found.extend(following.records)
        return position, found[:records_max]

    def pick(self, positions: Sequence[int]) -> dict[int, Record | Poison]:
        """Return the records at ascending *positions*, but for what lies before or in a hole."""
        batches = self._batches
        since = batches[0].position if batches else self.durable
        found: dict[int, Record | Poison] = {}
        index, begin, end = -1, since, since
        records: Sequence[Record | Poison] = ()
        for position in positions[bisect_left(positions, since) :]:
            if position >= self.durable:
                break
            if position >= end:
                # What is looked for together mostly lies together: in this batch or the next.
                index += 1
                if not index or position >= batches[index].end:
                    index = bisect_right(batches, position, key=_begin) - 1
                batch = batches[index]
                begin, end, records = batch.position, batch.end, batch.records
            if begin <= position < end:
                found[position] = records[position - begin]
        return found


def _begin(batch: Batch) -> int:
    return batch.position


class Waiters:
    """Who waits for which partition to grow."""

    def __init__(self) -> None:
        self._waiting: dict[Place, set[asyncio.Future[None]]] = {}

    async def wait(self, positions: Mapping[Place, int], tails: Mapping[Place, Tail]) -> None:
        """Return when a partition's durable end is past its position."""
        for place, position in positions.items():
            tail = tails.get(place)
            if tail is not None and tail.durable > position:
                return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for place in positions:
            self._waiting.setdefault(place, set()).add(future)
        try:
            await future
        finally:
            for place in positions:
                self._waiting.get(place, set()).discard(future)

    def wake(self, place: Place) -> None:
        """Let go whoever waits for *place*."""
        for future in self._waiting.pop(place, ()):
            if not future.done():
                future.set_result(None)
