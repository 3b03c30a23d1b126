"""A queue that serves those who wait in it by turns, so that one that floods delays itself."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """
    Deficit round-robin with a cost of one: each owner in turn gives its oldest.

    An owner that comes in anew waits for one round of the others at most, however much they have.
    """

    __slots__ = ("_count", "_owners")

    def __init__(self) -> None:
        self._owners: OrderedDict[str, deque[T]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, owner: str, item: T) -> None:
        """Add *item* behind all others of *owner*."""
        items = self._owners.get(owner)
        if items is None:
            items = self._owners[owner] = deque()
        items.append(item)
        self._count += 1

    def take(self, count: int) -> list[T]:
        """Remove and return up to *count*, in the order in which they are to go."""
        taken: list[T] = []
        owners = self._owners
        while owners and len(taken) < count:
            owner, items = next(iter(owners.items()))
            if len(owners) == 1:
                taken += [items.popleft() for _ in range(min(len(items), count - len(taken)))]
            else:
                taken.append(items.popleft())
                owners.move_to_end(owner)
            if not items:
                del owners[owner]
        self._count -= len(taken)
        return taken
