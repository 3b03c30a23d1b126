"""What every store of timers guarantees."""

from __future__ import annotations

import random

from tests.contract.state_stores import KEEP_RETIRED_MS, StateStores
from tocsin.ports.state import Timer


def timer(n: int, due_ms: int, about: bytes = b"delivery") -> Timer:
    key = n.to_bytes(16, "big")
    return Timer(key, due_ms, "events.bulk", 3, b"record", about, "delay", "quiet hours")


async def test_what_is_due_comes_in_order_and_in_slices(state: StateStores) -> None:
    timers = await state.timers()
    armed = [timer(n, due_ms=n // 3) for n in range(300)]
    await timers.claim_arm(random.Random(1).sample(armed, len(armed)))
    await state.settled()

    fired: list[Timer] = []
    while due := await timers.due(50, 40):
        fired += due
        await timers.fired([each.key for each in due], 50)

    assert fired == [each for each in armed if each.due_ms <= 50]
    assert await timers.next_due_ms() == 51


async def test_arming_again_changes_nothing_also_after_it_fired(state: StateStores) -> None:
    timers = await state.timers()
    await timers.claim_arm([timer(1, 10)])
    await timers.claim_arm([timer(1, 99)])
    await state.settled()
    assert await timers.due(50, 9) == [timer(1, 10)]

    await timers.fired([timer(1, 10).key], 50)
    await timers.claim_arm([timer(1, 10)])
    await state.settled()

    assert await timers.due(1_000, 9) == []
    assert await timers.next_due_ms() is None


async def test_the_next_due_time_counts_what_is_not_durable_yet(state: StateStores) -> None:
    timers = await state.timers()
    assert await timers.next_due_ms() is None
    await timers.claim_arm([timer(1, 30), timer(2, 20)])

    assert await timers.next_due_ms() == 20


async def test_timers_survive_a_restart(state: StateStores) -> None:
    timers = await state.timers()
    await timers.claim_arm([timer(1, 10), timer(2, 20)])
    await state.settled()
    await timers.fired([timer(1, 10).key], 15)
    await state.reopen()
    timers = await state.timers()

    assert await timers.due(50, 9) == [timer(2, 20)]
    assert await timers.next_due_ms() == 20


async def test_what_waits_is_found_by_what_it_is_about(state: StateStores) -> None:
    timers = await state.timers()
    await timers.claim_arm([timer(1, 20, b"a"), timer(2, 10, b"a"), timer(3, 5, b"b")])
    await state.settled()

    assert [t.due_ms for t in await timers.waiting([b"a", b"c"])] == [10, 20]
    await timers.disarm([timer(2, 10).key])
    assert [t.due_ms for t in await timers.waiting([b"a"])] == [20]
    assert [t.about for t in await timers.due(50, 9)] == [b"b", b"a"]


async def test_a_disarmed_timer_cannot_be_armed_again_by_a_repeat(state: StateStores) -> None:
    timers = await state.timers()
    await timers.claim_arm([timer(1, 10)])
    await timers.disarm([timer(1, 10).key])
    await timers.claim_arm([timer(1, 10)])
    await state.settled()

    assert await timers.due(50, 9) == []


async def test_retired_timers_are_forgotten_in_time(state: StateStores) -> None:
    timers = await state.timers()
    await timers.claim_arm([timer(n, 10) for n in range(4)])
    await state.settled()
    await timers.fired([timer(n, 10).key for n in range(3)], 10)
    await timers.fired([timer(3, 10).key], 10 + KEEP_RETIRED_MS + 1)
    # Each retirement forgets two: one of the three is still remembered.
    await timers.claim_arm([timer(n, 10) for n in range(4)])
    await state.settled()

    assert len(await timers.due(50, 9)) == 2
