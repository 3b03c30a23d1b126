"""What every store of waits guarantees."""

from __future__ import annotations

import msgspec

from tests.contract.state_stores import StateStores
from tocsin.domain.waiting import Fact
from tocsin.ports.state import Wait, Watched

RUN = bytes(range(16))
PUSH = RUN + b"\1\0\1\0"
SHOWN = RUN + b"\0\0\0\0"


def wait(run: bytes = RUN, recipient: int = 7, **more: object) -> Wait:
    plain = Wait(run, recipient, 0, "read", 60_000, "events.bulk", 3, b"record", (SHOWN, PUSH))
    return msgspec.structs.replace(plain, **more)


FACTS = [Fact(SHOWN, "sent", 5, shown=True), Fact(PUSH)]


async def test_a_wait_is_found_by_run_and_by_recipient_with_its_facts(state: StateStores) -> None:
    waits = await state.waits()
    other = bytes(16)
    await waits.claim_put([wait(), wait(other, 8, watched=())], FACTS)
    await state.settled()
    assert await waits.of_runs([RUN, b"x" * 16]) == [Watched(wait(), FACTS)]
    assert await waits.of_recipients([8, 9]) == [Watched(wait(other, 8, watched=()), [])]


async def test_the_first_word_about_a_delivery_stands(state: StateStores) -> None:
    waits = await state.waits()
    await waits.claim_put([wait()], FACTS)
    await waits.note([Fact(PUSH, "sent", 10), Fact(PUSH, delivered_ms=20)])
    await waits.note([Fact(PUSH, "expired", 30), Fact(PUSH, delivered_ms=40)])
    await waits.note([Fact(b"unknown" + bytes(13), "sent", 1)])
    (found,) = await waits.of_runs([RUN])
    assert found.facts == [FACTS[0], Fact(PUSH, "sent", 10, 20)]
    # A bounce comes after it was sent.
    await waits.note([Fact(PUSH, "failed", 50)])
    assert (await waits.of_runs([RUN]))[0].facts[1] == Fact(PUSH, "failed", 10, 20)


async def test_what_is_said_of_a_run_is_about_what_it_has_shown(state: StateStores) -> None:
    waits = await state.waits()
    await waits.claim_put([wait()], FACTS)
    await waits.note([Fact(RUN, delivered_ms=9, read_ms=10)])
    (found,) = await waits.of_runs([RUN])
    assert found.facts == [Fact(SHOWN, "sent", 5, 9, 10, shown=True), Fact(PUSH)]


async def test_a_second_put_takes_the_place_of_the_first_and_leaves_facts(
    state: StateStores,
) -> None:
    waits = await state.waits()
    await waits.claim_put([wait(armed=True)], FACTS)
    await waits.note([Fact(PUSH, "sent", 10)])
    await waits.claim_put([wait(interval=1)], FACTS)
    await state.settled()
    (found,) = await waits.of_runs([RUN])
    assert (found.wait, found.facts[1]) == (wait(interval=1), Fact(PUSH, "sent", 10))


async def test_those_without_a_timer_are_told_and_found(state: StateStores) -> None:
    waits = await state.waits()
    told: list[bytes] = []
    waits.on_put(told.extend)
    runs = [bytes([n]) * 16 for n in range(5)]
    await waits.claim_put([wait(run, armed=run == runs[2]) for run in runs], [])
    await state.settled()
    assert told == [run for run in runs if run != runs[2]]
    assert [each.wait.run for each in await waits.unarmed(b"", 3)] == [runs[0], runs[1], runs[3]]
    await waits.mark_armed([(runs[3], 0), (runs[4], 9)])
    assert [each.wait.run for each in await waits.unarmed(runs[1], 9)] == [runs[4]]


async def test_a_run_that_is_over_leaves_nothing(state: StateStores) -> None:
    waits = await state.waits()
    seen = [waits.any]
    await waits.claim_put([wait()], FACTS)
    await state.settled()
    seen.append(waits.any)
    await waits.claim_drop([RUN])
    await state.settled()
    await waits.look()
    seen.append(waits.any)
    assert seen == [False, True, False]
    await waits.claim_put([wait()], [])
    await state.settled()
    assert [each.facts for each in await waits.of_runs([RUN])] == [[]]


async def test_waits_survive_a_restart(state: StateStores) -> None:
    waits = await state.waits()
    await waits.claim_put([wait()], FACTS)
    await state.settled()
    await state.reopen()
    waits = await state.waits()
    assert waits.any
    assert await waits.of_runs([RUN]) == [Watched(wait(), FACTS)]
