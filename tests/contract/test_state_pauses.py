"""What every store of pauses guarantees."""

from __future__ import annotations

import msgspec

from tests.contract.state_stores import StateStores
from tocsin.domain.pauses import KIND, Pause, Scope, queue_of
from tocsin.ports.state import Timer


def pause(id: str, at_ms: int = 5) -> Pause:
    return Pause(id=id, scope=Scope(lane="bulk"), reason="why", by="key:ops", at_ms=at_ms)


def parked(n: int, queue: str) -> Timer:
    # Keys fall, so that an order by key would be the wrong one.
    key = (1_000 - n).to_bytes(16, "big")
    return Timer(key, 99, "events.bulk", 3, b"record", b"about", KIND + queue, "paused")


async def test_a_pause_is_in_force_until_it_is_ended_once(state: StateStores) -> None:
    rows = await state.pauses()
    heard: list[int] = []
    rows.on_change(lambda: heard.append(1))
    await rows.add(pause("b", 9))
    await rows.add(pause("a"))
    await rows.add(pause("a", 1))
    assert [each.id for each in await rows.in_force()] == ["a", "b"]
    assert await rows.get(["a", "x"]) == [pause("a")]

    ended = msgspec.structs.replace(pause("a"), ended_ms=7, ended_by="key:other")
    assert await rows.end("a", "key:other", 7) == ended
    assert await rows.end("a", "key:third", 8) is None
    assert await rows.end("x", "key:third", 8) is None
    await state.reopen()
    rows = await state.pauses()
    assert await rows.in_force() == [pause("b", 9)]
    assert await rows.get(["a"]) == [ended]
    assert len(heard) >= 4


async def test_what_a_pause_parks_is_listed_in_the_order_of_its_arming(state: StateStores) -> None:
    rows, timers = await state.pauses(), await state.timers()
    assert await rows.queues() == []
    other = queue_of("pau_1", handed=True)
    await timers.claim_arm([parked(n, "pau_1") for n in range(5)])
    await timers.claim_arm([parked(n, other) for n in range(5, 8)])
    await timers.claim_arm([parked(n, "pau_1") for n in range(10)])
    await state.settled()

    assert sorted(await rows.queues()) == sorted(["pau_1", other])
    listed = await rows.parked("pau_1", 6)
    assert listed == [parked(n, "pau_1") for n in (0, 1, 2, 3, 4, 8)]
    assert await rows.parked(other, 9) == [parked(n, other) for n in (5, 6, 7)]
    assert [await rows.count("pau_1", limit) for limit in (3, 99)] == [3, 7]


async def test_however_a_timer_is_retired_it_is_parked_no_more(state: StateStores) -> None:
    rows, timers = await state.pauses(), await state.timers()
    armed = [parked(n, "pau_1") for n in range(4)]
    await timers.claim_arm(armed)
    await state.settled()
    await timers.fired([armed[1].key], 50)
    await timers.disarm([armed[2].key])
    assert await rows.parked("pau_1", 9) == [armed[0], armed[3]]

    await timers.claim_arm(armed)
    await state.settled()
    assert await rows.count("pau_1", 9) == 2
    await timers.fired([armed[0].key, armed[3].key], 50)
    assert await rows.queues() == []
