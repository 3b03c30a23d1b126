"""The feed may lose batches; whoever follows it has to notice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tocsin.ports.log import Batch

Place = tuple[str, int]
"""(topic, partition)."""


class FeedWatch:
    """
    How far the feed has told of each partition, against how far the view has come.

    The view is told first, so that a feed that is behind the view has lost something.
    """

    def __init__(
        self, places: Callable[[int], Sequence[Place]], ends: Callable[[int], Sequence[int]]
    ) -> None:
        """*places* and *ends* are the streams of a recipient and how far the view shows them."""
        self._places = places
        self._ends = ends
        self._seen: dict[Place, int] = {}
        self._someone: dict[Place, int] = {}

    def watch(self, number: int) -> None:
        """Expect from now on every record of the recipient's partitions."""
        for place, end in zip(self._places(number), self._ends(number), strict=True):
            if place not in self._seen:
                self._seen[place] = end
                self._someone[place] = number

    def take(self, batch: Batch) -> bool:
        """Note a batch of the feed; False when records before it did not come."""
        place = (batch.topic, batch.partition)
        seen = self._seen.get(place)
        if seen is None:
            return True
        self._seen[place] = max(seen, batch.end)
        return batch.position <= seen

    def whole(self, number: int) -> bool:
        """Return whether the feed has told everything that the view shows to the recipient."""
        seen = self._seen
        return all(
            seen.get(place) == end
            for place, end in zip(self._places(number), self._ends(number), strict=True)
        )

    def behind(self) -> set[Place]:
        """Return the partitions of which the feed lost the newest, and count them as told."""
        lost = set()
        for place, number in self._someone.items():
            ends = dict(zip(self._places(number), self._ends(number), strict=True))
            if self._seen[place] < ends[place]:
                self._seen[place] = ends[place]
                lost.add(place)
        return lost

    def forget(self) -> None:
        """Start anew: nobody follows any more."""
        self._seen.clear()
        self._someone.clear()
