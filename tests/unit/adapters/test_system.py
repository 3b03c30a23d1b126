"""The clocks: the machine's, and the one that tests and sandboxes move."""

from __future__ import annotations

import asyncio

import anyio

from tocsin.adapters.system import SystemChance, SystemClock, VirtualClock


async def test_virtual_sleepers_wake_in_the_order_of_their_times() -> None:
    clock = VirtualClock(1_000)
    woken: list[int] = []

    async def sleep(until_ms: int) -> None:
        await clock.sleep_until(until_ms)
        woken.append(until_ms)

    async with asyncio.TaskGroup() as tasks:
        for until_ms in (3_000, 1_500, 2_000, 999):
            tasks.create_task(sleep(until_ms))
        await anyio.wait_all_tasks_blocked()
        assert woken == [999]
        assert clock.next_due_ms() == 1_500
        clock.advance(2_000)
        await anyio.wait_all_tasks_blocked()
        assert woken == [999, 1_500, 2_000]
        clock.advance(10_000)
    assert woken == [999, 1_500, 2_000, 3_000]
    assert clock.next_due_ms() is None


async def test_a_virtual_sleeper_that_is_cancelled_is_forgotten() -> None:
    clock = VirtualClock(0)
    async with asyncio.TaskGroup() as tasks:
        sleeper = tasks.create_task(clock.sleep_until(5))
        await anyio.wait_all_tasks_blocked()
        sleeper.cancel()
    assert clock.next_due_ms() is None
    clock.advance(10)


def test_virtual_time_never_goes_back() -> None:
    clock = VirtualClock(1_000)
    clock.advance(1_250)
    clock.advance(500)

    assert (clock.now_ms(), clock.monotonic()) == (1_250, 0.25)


async def test_the_system_clock_has_come_to_the_time_when_a_sleep_ends() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    until_ms = clock.now_ms() + 5

    await clock.sleep_until(until_ms)

    assert clock.now_ms() >= until_ms
    assert clock.monotonic() >= before


def test_chance_gives_what_was_asked_for() -> None:
    chance = SystemChance()

    assert len(chance.bytes(10)) == 10
    assert chance.bytes(10) != chance.bytes(10)
    assert 0.0 <= chance.fraction() < 1.0
