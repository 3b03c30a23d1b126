"""A histogram to which a batch is added at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

SECONDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
"""Bounds for times that people wait, from a commit to a backlog."""


class Histogram:
    """Counts by upper bound. Not for several threads."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Count *value* so many times."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    @property
    def sum(self) -> float:
        """The sum of all values."""
        return self._sum

    def buckets(self) -> list[tuple[str, float]]:
        """Return (upper bound, how many are not above it), ending with ``+Inf``."""
        return cumulative([f"{bound:g}" for bound in self._bounds], self._counts)


def cumulative(bounds: Sequence[str], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Return each bound with the sum of the counts up to it; the last count is above them all."""
    found: list[tuple[str, float]] = []
    total = 0
    for bound, count in zip((*bounds, "+Inf"), counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found
