"""A bounded map that keeps what was used lately, at the cost of plain dictionaries."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """
    Two generations: when the young one is full it becomes the old one, and the old one goes.

    What is read from the old generation moves to the young one, so at least the last ``size / 2``
    distinct keys are there, never more than *size*, and nothing is reordered at each read.
    """

    def __init__(self, size: int) -> None:
        self._half = max(size // 2, 1)
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """Return the value, or None when it is not here."""
        value = self._young.get(key)
        if value is not None:
            return value
        value = self._old.pop(key, None)
        if value is not None:
            self._keep(key, value)
        return value

    def find(self, keys: Collection[K]) -> dict[K, V]:
        """Return those of *keys* that are here."""
        young = self._young
        found = {key: young[key] for key in keys if key in young}
        if len(found) < len(keys):
            for key in [key for key in keys if key in self._old and key not in found]:
                value = self.get(key)
                if value is not None:
                    found[key] = value
        return found

    def put(self, key: K, value: V) -> None:
        """Keep *value*, which is not None, in place of what was there."""
        # An older value may stay in the old generation: it is never looked at, and goes first.
        self._keep(key, value)

    def fill(self, found: Mapping[K, V]) -> None:
        """Keep many at once."""
        if len(self._young) + len(found) > self._half:
            # Of more than fit, those left out must not be found as they were before.
            self._old, self._young = {} if len(found) > self._half else self._young, {}
        self._young.update(found if len(found) <= self._half else islice(found.items(), self._half))

    def drop(self, key: K) -> None:
        """Forget the key."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def _keep(self, key: K, value: V) -> None:
        if len(self._young) >= self._half and key not in self._young:
            self._old, self._young = self._young, {}
        self._young[key] = value
