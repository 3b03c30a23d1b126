"""The clock and the dice: nothing else reads time or draws random numbers."""

from __future__ import annotations

import asyncio
import heapq
import random
import secrets
import time
from typing import Final

# The wall clock may be set while someone waits for it, so waits are looked at again.
_LOOK_AGAIN_S: Final = 1.0

_POOL_BYTES: Final = 16_384


class SystemClock:
    """Fills `tocsin.ports.system.Clock` with the machine's time."""

    def now_ms(self) -> int:
        """Return the wall clock's time."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return the monotonic clock's time."""
        return time.monotonic()

    async def sleep_until(self, at_ms: int) -> None:
        """Return when the wall clock has come to *at_ms*, also if it is set forward."""
        while (left_ms := at_ms - self.now_ms()) > 0:  # noqa: ASYNC110  # it is time that is awaited
            await asyncio.sleep(min(left_ms / 1000, _LOOK_AGAIN_S))

    async def pause(self, ms: int) -> None:
        """Sleep by the monotonic clock."""
        await asyncio.sleep(ms / 1000)


class VirtualClock:
    """Fills `tocsin.ports.system.Clock` with a time that only `advance` moves."""

    def __init__(self, now_ms: int) -> None:
        self._begun_ms = now_ms
        self._now_ms = now_ms
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._slept = 0

    def now_ms(self) -> int:
        """Return the time that was set."""
        return self._now_ms

    def monotonic(self) -> float:
        """Return the seconds since this clock began."""
        return (self._now_ms - self._begun_ms) / 1000

    async def sleep_until(self, at_ms: int) -> None:
        """Return when `advance` has come to *at_ms*."""
        if at_ms <= self._now_ms:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._slept += 1
        heapq.heappush(self._sleepers, (at_ms, self._slept, future))
        await future

    async def pause(self, ms: int) -> None:
        """Return when `advance` has come so far: this time never goes back."""
        await self.sleep_until(self._now_ms + ms)

    def next_due_ms(self) -> int | None:
        """Return when the first sleeper wants to wake, None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def advance(self, to_ms: int) -> None:
        """Set the time, never back, and wake those whose time has come, in order."""
        self._now_ms = max(self._now_ms, to_ms)
        while (due_ms := self.next_due_ms()) is not None and due_ms <= self._now_ms:
            heapq.heappop(self._sleepers)[2].set_result(None)


class SystemChance:
    """
    Fills `tocsin.ports.system.Chance` from the operating system, which is asked for many bytes at
    once: each call into it gives the interpreter away, and under load waits to get it back.
    """

    def __init__(self) -> None:
        self._dice = random.SystemRandom()
        self._pool = b""
        self._used = 0

    def bytes(self, count: int) -> bytes:
        """Return bytes that nobody can guess and nobody was given before."""
        if count > len(self._pool) - self._used:
            self._pool = secrets.token_bytes(max(count, _POOL_BYTES))
            self._used = 0
        taken = self._pool[self._used : self._used + count]
        self._used += count
        return taken

    def fraction(self) -> float:
        """Return a number in [0, 1)."""
        return self._dice.random()
