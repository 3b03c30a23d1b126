"""
The chunk that was read last of each partition.

Whoever works off a backlog takes some hundred records at a time out of a chunk of a quarter of a
megabyte, and reading a row reads all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tocsin.adapters.sqlite.chunk import Records
from tocsin.adapters.sqlite.tail import Place
from tocsin.domain.records import Poison, Record, decode

Chunks = Mapping[Place, tuple[int, Records]]
"""The first position and the records of a chunk, by its partition."""


class LateChunks:
    """One chunk for each partition that was read from, as it is in the file."""

    def __init__(self) -> None:
        self._held: dict[Place, tuple[int, Records]] = {}
        self._forgotten = 0

    @property
    def mark(self) -> int:
        """What to say to `keep` of chunks that are read from here on."""
        return self._forgotten

    def keep(self, chunks: Chunks, mark: int) -> None:
        """Keep what was read since *mark*, unless something has been removed meanwhile."""
        if mark == self._forgotten:
            self._held.update(chunks)

    def forget(self, where: Place) -> None:
        """Let go of what the file may not hold any more."""
        self._forgotten += 1
        self._held.pop(where, None)

    def pick(self, where: Place, positions: Sequence[int]) -> dict[int, Record | Poison]:
        """Return the records at those of *positions* that are held."""
        held = self._held.get(where)
        if held is None:
            return {}
        begin, records = held
        end = begin + len(records)
        return {at: decode(records[at - begin]) for at in positions if begin <= at < end}
