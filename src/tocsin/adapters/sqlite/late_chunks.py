"""
Chunks of the log that were read a moment ago.

Whoever works off a backlog takes some hundred records at a time out of chunks of a quarter of a
megabyte each, in nearly the order of the log, and reading a row reads all of it.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Final

from tocsin.adapters.sqlite.chunk import Records
from tocsin.adapters.sqlite.tail import Place
from tocsin.domain.records import Poison, Record, decode

CHUNKS_MAX: Final = 96
"""
Of all partitions together: 24 MiB, but for records that are larger than a chunk should be.

So far apart lie the events that are delivered at a time where many wait for the one before.
"""

Chunk = tuple[int, Records]
"""The first position, and the records."""

_begin: Final = itemgetter(0)


class LateChunks:
    """The furthest chunks that were read of each partition, as they are in the file."""

    def __init__(self) -> None:
        self._held: dict[Place, list[Chunk]] = {}
        self._count = 0
        self._forgotten = 0

    @property
    def mark(self) -> int:
        """What to say to `keep` of chunks that are read from here on."""
        return self._forgotten

    def keep(self, chunks: Mapping[Place, Sequence[Chunk]], mark: int) -> None:
        """Keep what was read since *mark*, unless something has been removed meanwhile."""
        if mark != self._forgotten:
            return
        for where, some in chunks.items():
            held = self._held.setdefault(where, [])
            there = {begin for begin, _ in held}
            for chunk in some:
                if chunk[0] not in there:
                    insort(held, chunk, key=_begin)
                    self._count += 1
        while self._count > CHUNKS_MAX:
            # Who reads a log goes forward, so what lies first is the least likely to be wanted.
            del max(self._held.values(), key=len)[0]
            self._count -= 1

    def forget(self, where: Place) -> None:
        """Let go of what the file may not hold any more."""
        self._forgotten += 1
        self._count -= len(self._held.pop(where, ()))

    def pick(self, where: Place, positions: Sequence[int]) -> dict[int, Record | Poison]:
        """Return the records at those of *positions* that are held."""
        held = self._held.get(where)
        found: dict[int, Record | Poison] = {}
        if not held:
            return found
        for position in positions:
            begin, records = held[max(0, bisect_right(held, position, key=_begin) - 1)]
            if begin <= position < begin + len(records):
                found[position] = decode(records[position - begin])
        return found
