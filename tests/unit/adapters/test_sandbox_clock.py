"""The clock of a sandbox."""

from __future__ import annotations

import asyncio

import pytest

from tocsin.adapters.sandbox_clock import ClockState, SandboxClock
from tocsin.adapters.system import SystemClock, VirtualClock

BEGIN_MS = 1_472_688_000_000
NOW_MS = 1_900_000_000_000
AHEAD_MS = 86_400_000


@pytest.fixture
def real() -> VirtualClock:
    return VirtualClock(NOW_MS)


@pytest.fixture
def kept() -> list[ClockState]:
    return []


def clock(
    real: VirtualClock, kept: list[ClockState], state: ClockState | None = None
) -> SandboxClock:
    return SandboxClock(state, kept.append, real)


def test_it_flows_as_the_machines_clock_does(real: VirtualClock, kept: list[ClockState]) -> None:
    one = clock(real, kept, ClockState(BEGIN_MS - NOW_MS, BEGIN_MS))
    assert one.now_ms() == BEGIN_MS
    real.advance(NOW_MS + 5_000)
    assert one.now_ms() == BEGIN_MS + 5_000
    assert one.monotonic() == 5.0


def test_held_it_stands_still_and_goes_on_from_there(
    real: VirtualClock, kept: list[ClockState]
) -> None:
    one = clock(real, kept)
    with one.held():
        real.advance(NOW_MS + 5_000)
        assert one.now_ms() == NOW_MS
        assert one.monotonic() == 0.0
        one.move(NOW_MS + AHEAD_MS)
        assert one.now_ms() == NOW_MS + AHEAD_MS
        assert one.monotonic() == AHEAD_MS / 1000
    assert one.now_ms() == NOW_MS + AHEAD_MS
    real.advance(NOW_MS + 6_000)
    assert one.now_ms() == NOW_MS + AHEAD_MS + 1_000
    assert one.monotonic() == AHEAD_MS / 1000 + 1


def test_a_move_is_kept_before_it_is_seen(real: VirtualClock) -> None:
    seen: list[tuple[ClockState, int]] = []
    one = SandboxClock(None, lambda state: seen.append((state, one.now_ms())), real)
    with one.held():
        one.move(NOW_MS + AHEAD_MS)
    assert seen == [(ClockState(AHEAD_MS, NOW_MS + AHEAD_MS), NOW_MS)]


def test_it_is_never_moved_back(real: VirtualClock, kept: list[ClockState]) -> None:
    one = clock(real, kept)
    with one.held():
        one.move(NOW_MS - 1)
        assert one.now_ms() == NOW_MS
    assert not kept


def test_after_a_restart_it_is_no_earlier(real: VirtualClock, kept: list[ClockState]) -> None:
    one = clock(real, kept)
    with one.held():
        real.advance(NOW_MS + 60_000)
        one.move(NOW_MS + AHEAD_MS)
    last_ms = one.now_ms()
    assert clock(real, kept, kept[-1]).now_ms() >= last_ms


def test_a_machine_whose_clock_was_set_back_does_not_set_it_back(kept: list[ClockState]) -> None:
    state = ClockState(AHEAD_MS, NOW_MS + AHEAD_MS)
    earlier = VirtualClock(NOW_MS - 3_600_000)
    assert clock(earlier, kept, state).now_ms() == NOW_MS + AHEAD_MS


async def test_who_sleeps_is_woken_by_a_move_in_the_order_of_the_times(
    real: VirtualClock, kept: list[ClockState]
) -> None:
    one = clock(real, kept)
    woken: list[str] = []

    async def sleep(name: str, at_ms: int) -> None:
        await one.sleep_until(at_ms)
        woken.append(name)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sleep("late", NOW_MS + 2_000))
        tasks.create_task(sleep("early", NOW_MS + 1_000))
        given_up = tasks.create_task(sleep("given up", NOW_MS + 500))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.sleep(0)
        assert one.next_wake_ms() == NOW_MS + 1_000
        with one.held():
            one.move(NOW_MS + 2_000)
            await asyncio.sleep(0)
            assert woken == ["early", "late"]
    assert one.next_wake_ms() is None


async def test_who_sleeps_is_woken_by_time_alone(kept: list[ClockState]) -> None:
    real = SystemClock()
    one = SandboxClock(ClockState(-AHEAD_MS, 0), kept.append, real)
    at_ms = one.now_ms() + 5
    await asyncio.wait_for(one.sleep_until(at_ms), 20)
    assert one.now_ms() >= at_ms


async def test_nobody_wakes_while_it_is_held(kept: list[ClockState]) -> None:
    one = SandboxClock(None, kept.append, SystemClock())
    async with asyncio.TaskGroup() as tasks:
        with one.held():
            sleeping = tasks.create_task(one.sleep_until(one.now_ms() + 1))
            await one.pause(20)
            assert not sleeping.done()
