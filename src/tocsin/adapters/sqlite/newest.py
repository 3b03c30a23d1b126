"""The newest version of each recipient, as far as memory knows it; exact or silent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from tocsin.adapters.sqlite.recent import Recent
from tocsin.domain.recipient import Recipient

Key = str | int
"""A recipient's id or number."""

K = TypeVar("K", str, int)

Queued = dict[Key, Recipient | None]
"""What one call wrote; None for an id that went to another name."""


class Reading:
    """A read under way, and the keys that were written since it began."""

    def __init__(self) -> None:
        self.overtaken: set[Key] = set()


class Newest:
    """
    Versions that are queued but not durable, a bounded cache, and the reads under way.

    A read that a write overtook says nothing about the keys of that write: its snapshot may be
    older than the write, and the write may have left this memory by the time it returns.
    """

    def __init__(self, size: int) -> None:
        self._cache: Recent[Any, Recipient] = Recent(2 * size)
        self._queued: dict[Key, Queued] = {}
        self._reads: set[Reading] = set()

    def find(self, keys: Collection[K]) -> tuple[dict[K, Recipient], list[K]]:
        """Return what is known, and the keys of which nothing is."""
        if not self._queued:
            known = self._cache.find(keys)
            return known, [key for key in keys if key not in known]
        return self._find_queued(keys)

    def _find_queued(self, keys: Collection[K]) -> tuple[dict[K, Recipient], list[K]]:
        found: dict[K, Recipient] = {}
        missing: list[K] = []
        for key in keys:
            queued = self._queued.get(key)
            known = self._cache.get(key) if queued is None else queued[key]
            if known is not None:
                found[key] = known
            elif queued is None:
                missing.append(key)
        return found, missing

    def begin(self) -> Reading:
        """Note a read before it starts."""
        reading = Reading()
        self._reads.add(reading)
        return reading

    def end(self, reading: Reading, read: Mapping[K, Recipient]) -> dict[K, Recipient]:
        """Keep what was read, and return it, without what was overtaken."""
        self._reads.discard(reading)
        overtaken = reading.overtaken
        sound = {key: row for key, row in read.items() if not overtaken or key not in overtaken}
        self._cache.fill(sound)
        return sound

    def queue(self, stored: Sequence[Recipient], before: Mapping[int, Recipient]) -> Queued:
        """Know *stored* in place of *before* from now on, until `settle`."""
        queued: Queued = {}
        for recipient in stored:
            old = before.get(recipient.number)
            if old is not None and old.id != recipient.id:
                queued[old.id] = None
                self._cache.drop(old.id)
            queued[recipient.id] = queued[recipient.number] = recipient
            self._cache.put(recipient.id, recipient)
            self._cache.put(recipient.number, recipient)
        self._queued.update(dict.fromkeys(queued, queued))
        for reading in self._reads:
            reading.overtaken.update(queued)
        return queued

    def drop(self, recipients: Sequence[Recipient]) -> None:
        """Let go what is known of these, and what reads under way are finding of them."""
        for recipient in recipients:
            for key in (recipient.id, recipient.number):
                self._cache.drop(key)
                for reading in self._reads:
                    reading.overtaken.add(key)

    def settle(self, queued: Queued, *, kept: bool) -> None:
        """Note that what was queued is durable, or was not kept."""
        for key in queued:
            if self._queued.get(key) is queued:
                del self._queued[key]
            if not kept:
                self._cache.drop(key)
