"""Due times that survive a crash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec


class Timer(msgspec.Struct, frozen=True, array_like=True):
    """
    A row that appends an input record when it is due. ``record`` is the encoded record.

    ``about`` is what waits (a delivery's key), so that ``explain`` finds it.
    """

    key: bytes
    due_ms: int
    topic: str
    partition: int
    record: bytes
    about: bytes
    kind: str
    reason: str = ""


class Timers(Protocol):
    """Due times that survive a crash. A row is retired last: after its record is durable."""

    def on_arm(self, tell: Callable[[], None]) -> None:
        """
        Call *tell* on the loop whenever rows have been armed and are durable.

        At most a second later where another process armed them.
        """

    async def claim_arm(self, timers: Sequence[Timer]) -> None:
        """Insert rows where absent (a fired one stays fired)."""

    async def due(self, now_ms: int, limit: int) -> Sequence[Timer]:
        """Return armed rows with ``due_ms <= now_ms``, in order of (due, key)."""

    async def fired(self, keys: Sequence[bytes], now_ms: int) -> None:
        """Retire rows whose record is durable."""

    async def next_due_ms(self) -> int | None:
        """Return the earliest due time of an armed row."""

    async def waiting(self, about: Sequence[bytes]) -> Sequence[Timer]:
        """Return armed rows about those deliveries."""

    async def known(self, about: Sequence[bytes]) -> Sequence[Timer]:
        """
        Return the rows about those deliveries, retired ones, too, as long as they are kept.

        What was armed before the call is among them. A retired one's ``record`` is empty.
        """

    async def disarm(self, keys: Sequence[bytes]) -> None:
        """Retire rows without firing."""
