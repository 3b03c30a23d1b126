"""Time and chance, as arguments to everything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
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


class MovableClock(Clock, Protocol):
    """
    A sandbox's time: it flows, and can be moved forward.

    *Durable*: a time that was moved to is, before anybody can read it. It never goes back, also
    over a restart. While it is held, `pause` goes on by real time, and nobody else wakes.
    """

    def held(self) -> AbstractContextManager[None]:
        """Let the time stand still inside, but for `move`; it flows on from there afterwards."""

    def move(self, to_ms: int) -> None:
        """Set the held time, unless that were back, and wake in order whoever slept until then."""


class Disk(Protocol):
    """The disk of the data folder, and a file on it that can be given up in need."""

    ballast_bytes: int
    """How much `keep_ballast` takes."""

    def room(self) -> tuple[int, int]:
        """Return the bytes that are free for this process, and those of the whole disk."""

    def keep_ballast(self) -> None:
        """Take the ballast's bytes, unless it is there; raises `StorageFull`, `StorageFailed`."""

    def drop_ballast(self) -> bool:
        """Give the bytes back; False when there were none."""


class Chance(Protocol):
    """The only source of randomness."""

    def bytes(self, count: int) -> bytes:
        """Return *count* bytes, good enough for keys and tokens."""

    def fraction(self) -> float:
        """Return a number in [0, 1)."""
