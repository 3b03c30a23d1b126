"""The clock of a sandbox: it flows like the machine's, ahead of it or behind it, and can be moved."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from tocsin.ports.system import Clock

_LOOK_AGAIN_S: Final = 1.0
"""The wall clock may be set while someone waits for it."""


class ClockState(msgspec.Struct, frozen=True):
    """What a restart needs: how far the clock is from the machine's, and when that was so."""

    offset_ms: int
    at_ms: int


class SandboxClock:
    """
    Fills `tocsin.ports.system.MovableClock`.

    *keep* makes a state durable before anybody sees the time that it is about. *real* is the
    machine's clock.
    """

    def __init__(
        self,
        state: ClockState | None,
        keep: Callable[[ClockState], None],
        real: Clock,
    ) -> None:
        self._keep = keep
        self._real = real
        kept = state or ClockState(0, 0)
        # The machine's clock may have been set back since.
        self._offset_ms = max(kept.offset_ms, kept.at_ms - real.now_ms())
        self._held_ms: int | None = None
        self._moved_s = 0.0
        self._held_s: float | None = None
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._slept = 0
        self._alarm: asyncio.TimerHandle | None = None

    def now_ms(self) -> int:
        """Return the sandbox's time."""
        return self._real.now_ms() + self._offset_ms if self._held_ms is None else self._held_ms

    def monotonic(self) -> float:
        """Return seconds that pass as this clock's do, moves included, and never go back."""
        real_s = self._real.monotonic() if self._held_s is None else self._held_s
        return real_s + self._moved_s

    async def sleep_until(self, at_ms: int) -> None:
        """Return when the clock has come to *at_ms*, be it by itself or because it was moved."""
        if at_ms <= self.now_ms():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._slept += 1
        heapq.heappush(self._sleepers, (at_ms, self._slept, future))
        self._set_alarm()
        await future

    async def pause(self, ms: int) -> None:
        """Sleep really: tries and rounds go on while the clock is held."""
        await self._real.pause(ms)

    def next_wake_ms(self) -> int | None:
        """Return when the first who sleeps wants to wake, None when nobody does."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the time stand still inside, but for `move`; it flows on from there afterwards."""
        self._held_ms, self._held_s = self.now_ms(), self._real.monotonic()
        try:
            yield
        finally:
            held_ms, held_s = self._held_ms, self._held_s
            self._offset_ms = held_ms - self._real.now_ms()
            self._moved_s -= self._real.monotonic() - held_s
            self._held_ms = self._held_s = None
            self._set_alarm()

    def move(self, to_ms: int) -> None:
        """Set the held time, never back, and wake those whose time has come, in order."""
        assert self._held_ms is not None
        if to_ms <= self._held_ms:
            return
        self._keep(ClockState(to_ms - self._real.now_ms(), to_ms))
        self._moved_s += (to_ms - self._held_ms) / 1000
        self._held_ms = to_ms
        self._wake()

    def _wake(self) -> None:
        while (due_ms := self.next_wake_ms()) is not None and due_ms <= self.now_ms():
            heapq.heappop(self._sleepers)[2].set_result(None)
        self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due_ms = self.next_wake_ms()
        if due_ms is None or self._held_ms is not None:
            return
        left_s = max(0.0, (due_ms - self.now_ms()) / 1000)
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(min(left_s, _LOOK_AGAIN_S), self._wake)
