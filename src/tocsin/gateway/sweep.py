"""
Timers for very many sockets on one: a wheel for what recurs, queues for what must end in time.

A timer of the loop per socket would cost more memory than the socket's own state and a heap
operation per message. These are as exact as the sweep is frequent, which is all that pings and
time limits need. Pure code: the caller brings the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

T = TypeVar("T", bound="Hashable")


class Wheel(Generic[T]):
    """Visits every item once per turn of ``steps`` steps, an equal share at each."""

    def __init__(self, steps: int) -> None:
        self._slots: list[set[T]] = [set() for _ in range(steps)]
        self._filled = 0
        self._visited = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, item: T) -> int:
        """
        Add an item and return the slot that ``remove`` wants back.

        Items go round the slots and not to the last one visited: after a restart all clients
        come back within a second, and their pings shall not stay together for ever.
        """
        slot = self._filled = (self._filled + 1) % len(self._slots)
        self._slots[slot].add(item)
        self._size += 1
        return slot

    def remove(self, item: T, slot: int) -> None:
        """Remove an item that is there."""
        self._slots[slot].remove(item)
        self._size -= 1

    def step(self) -> list[T]:
        """Go one slot further and return what is in it."""
        self._visited = (self._visited + 1) % len(self._slots)
        return list(self._slots[self._visited])


class Deadlines(Generic[T]):
    """Items that share one delay, so that the order of arrival is the order of their ends."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._ends: dict[T, float] = {}

    def add(self, item: T, now: float) -> None:
        """Start the item's time; an item that is there already keeps its own."""
        self._ends.setdefault(item, now + self._delay_s)

    def discard(self, item: T) -> None:
        """Stop the item's time, if it runs."""
        self._ends.pop(item, None)

    def expire(self, now: float) -> list[T]:
        """Take out and return the items whose time is up."""
        expired = []
        for item, end in self._ends.items():
            if end > now:
                break
            expired.append(item)
        for item in expired:
            del self._ends[item]
        return expired
