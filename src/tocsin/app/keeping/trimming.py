"""The log's part: which records may go, topic by topic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

from tocsin.domain.keeping import Cut, reader_counts, removable_before
from tocsin.ports.cache import Blobs
from tocsin.ports.keeping import LogKeeping, Removable
from tocsin.ports.log import Log

_SLICE_BYTES: Final = 512 * 1024

Marks = Callable[[], Awaitable[Mapping[tuple[str, int], int]]]
"""How far a view has followed the log, where it is apart from it."""


class Trimming:
    """Removes the oldest records below every reader, a slice at a time."""

    def __init__(
        self, log: Log, keeping: LogKeeping, blobs: Blobs, views: tuple[Marks, ...]
    ) -> None:
        """*views* are those with positions of their own."""
        self._log = log
        self._keeping = keeping
        self._blobs = blobs
        self._views = views

    async def slices(self, cut: Cut) -> AsyncIterator[Removable]:
        """Remove what may go; yields each slice when it is gone."""
        floors = await self._floors()
        for topic in self._keeping.topics():
            before_ms = removable_before(topic, cut, holds_bodies=self._log.atomic_with_views)
            for partition in range(self._log.partitions):
                below = floors.get((topic, partition), self._log.end(topic, partition))
                while found := await self._keeping.removable(
                    topic, partition, before_ms=before_ms, below=below, bytes_max=_SLICE_BYTES
                ):
                    # A payload without its event would be left behind for ever.
                    await self._blobs.delete(found.blobs)
                    await self._keeping.remove(found)
                    yield found

    async def oldest(self) -> dict[str, int]:
        """Return when the oldest record of each topic was written that is not empty."""
        found: dict[str, int] = {}
        for topic in self._keeping.topics():
            for partition in range(self._log.partitions):
                at_ms = await self._keeping.oldest_ms(topic, partition)
                if at_ms is not None:
                    found[topic] = min(at_ms, found.get(topic, at_ms))
        return found

    async def _floors(self) -> dict[tuple[str, int], int]:
        """Return below which position every reader has come."""
        readers = await self._keeping.readers()
        floors: dict[tuple[str, int], int] = {}

        def note(where: tuple[str, int], position: int) -> None:
            floors[where] = min(position, floors.get(where, position))

        for (group, topic, partition), position in readers.items():
            own = readers.get((group, group, partition))
            drained = own is not None and own >= self._log.end(group, partition)
            if reader_counts(group, topic, drained=drained):
                note((topic, partition), position)
        for marks in self._views:
            for where, position in (await marks()).items():
                note(where, position)
        return floors
