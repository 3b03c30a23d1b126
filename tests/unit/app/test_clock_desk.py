"""Moving a clock in a calm, with loops that say what they have to do."""

from __future__ import annotations

import pytest

from tocsin.adapters.sandbox_clock import ClockState, SandboxClock
from tocsin.adapters.system import SystemClock
from tocsin.app.clock_desk import ClockDesk
from tocsin.app.quiet import Quiet
from tocsin.channels.playing import PlayedVendors
from tocsin.errors import RequestRefused

HOUR_MS = 3_600_000


class Loop:
    """Has work at its times, and says at which it was done; it takes two looks to do it."""

    def __init__(self, clock: SandboxClock, *due_ms: int) -> None:
        self._clock = clock
        self._due_ms = list(due_ms)
        self._looks = 0
        self.done_ms: list[int] = []

    def busy(self) -> bool:
        now_ms = self._clock.now_ms()
        if not self._due_ms or self._due_ms[0] > now_ms:
            return False
        self._looks += 1
        if self._looks % 2 == 0:
            self._due_ms.pop(0)
            self.done_ms.append(now_ms)
        return True

    def next_ms(self) -> int | None:
        return self._due_ms[0] if self._due_ms else None


class Stuck:
    """Has been at it for ever, and is due all the time."""

    def __init__(self, *, busy: bool, due_ms: int | None = None) -> None:
        self._busy = busy
        self._due_ms = due_ms

    def busy(self) -> bool:
        return self._busy

    def next_ms(self) -> int | None:
        return self._due_ms


@pytest.fixture
def clock() -> SandboxClock:
    kept: list[ClockState] = []
    return SandboxClock(ClockState(-SystemClock().now_ms(), 0), kept.append, SystemClock())


def desk(clock: SandboxClock, *loops: Loop | Stuck) -> ClockDesk:
    real = SystemClock()
    vendors = PlayedVendors({}, real.now_ms, lambda: 1.0, clock.now_ms)
    quiet = Quiet(loops, loops, clock, longest_ms=5)
    return ClockDesk(clock, quiet, vendors, real.now_ms)


async def test_each_thing_is_done_at_its_own_time(clock: SandboxClock) -> None:
    begin_ms = clock.now_ms() + 60_000
    first = Loop(clock, begin_ms, begin_ms + 2 * HOUR_MS)
    second = Loop(clock, begin_ms + HOUR_MS, begin_ms + 9 * HOUR_MS)
    face = await desk(clock, first, second).set(begin_ms + 8 * HOUR_MS)
    assert first.done_ms == [begin_ms, begin_ms + 2 * HOUR_MS]
    assert second.done_ms == [begin_ms + HOUR_MS]
    assert (face.stops, face.settled, face.moving_to_ms) == (3, True, None)
    assert face.now_ms >= begin_ms + 8 * HOUR_MS


async def test_what_never_ends_is_awaited_no_longer_and_told(clock: SandboxClock) -> None:
    face = await desk(clock, Stuck(busy=True)).advance(HOUR_MS)
    assert face.settled is False
    assert face.now_ms >= HOUR_MS


async def test_what_is_due_for_ever_does_not_hold_time_up(clock: SandboxClock) -> None:
    face = await desk(clock, Stuck(busy=False, due_ms=0)).advance(3)
    assert 1 <= face.stops <= 3
    assert face.settled is True


async def test_a_slip_of_centuries_and_the_past_are_refused(clock: SandboxClock) -> None:
    one = desk(clock)
    with pytest.raises(RequestRefused, match="century"):
        await one.advance(200 * 365 * 24 * HOUR_MS)
    with pytest.raises(RequestRefused, match="never goes back"):
        await one.set(clock.now_ms() - 1)
