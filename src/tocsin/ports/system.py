"""Time and chance, as arguments to everything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

Sleep = Callable[[float], Awaitable[None]]
"""Returns after so many real seconds."""


class Clock(Protocol):
    """Real or virtual time."""

    def now_ms(self) -> int:
        """Return the milliseconds since the epoch by which decisions are made."""

    def monotonic(self) -> float:
        """Return seconds that never go back, for deadlines and measuring."""

    async def sleep_until(self, at_ms: int) -> None:
        """Return when `now_ms` is at least *at_ms*."""

    async def pause(self, ms: int) -> None:
        """Return after *ms*, whatever becomes of `now_ms` meanwhile: for tries and rounds."""


class Chance(Protocol):
    """The only source of randomness."""

    def bytes(self, count: int) -> bytes:
        """Return *count* bytes, good enough for keys and tokens."""

    def fraction(self) -> float:
        """Return a number in [0, 1)."""
