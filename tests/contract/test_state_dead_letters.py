"""What every store of dead letters guarantees."""

from __future__ import annotations

import msgspec

from tests.contract.state_stores import StateStores
from tocsin.domain.dead_letters import DeadLetter, Kind, LetterState, Wanted, input_key
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import Plan, Poison, Record, Settled
from tocsin.ports.log import Batch
from tocsin.ports.state import DeadLetters

WAITING, REPLAYING = LetterState.WAITING, LetterState.REPLAYING


def delivery(n: int, recipient: int = 7) -> bytes:
    return delivery_key(
        notification_key(EventKey(n.to_bytes(6, "big") + bytes(10)), 0, recipient), 1, 2
    )


def failed(n: int, *, channel: str = "email", reason: str = "blocked", **more: int) -> Settled:
    return Settled(
        delivery(n, more.get("recipient", 7)),
        "bulk",
        channel,
        "failed",
        reason,
        1_000 + n,
        provider="smtp",
        detail="no",
        workflow="news",
    )


def batch(*records: Record | Poison, topic: str = "outcomes", position: int = 0) -> Batch:
    return Batch(topic, 0, position, records)


async def numbers(rows: DeadLetters, **wanted: str | int | None) -> list[int]:
    return [each.at_ms - 1_000 for each in await rows.first(Wanted(**wanted), 0, 99)]  # type: ignore[arg-type]  # by name, as callers give them


async def test_what_failed_is_noted_and_nothing_else(state: StateStores) -> None:
    rows = await state.dead_letters()
    sent = msgspec.structs.replace(failed(2), state="sent")
    expired = msgspec.structs.replace(failed(3), state="expired")
    await rows.write([batch(failed(1), sent, expired, Poison(b"", "unreadable"))])
    (letter,) = await rows.first(Wanted(), 0, 9)
    assert letter == DeadLetter(
        key=delivery(1),
        kind=Kind.DELIVERY,
        lane="bulk",
        channel="email",
        workflow="news",
        provider="smtp",
        reason="blocked",
        detail="no",
        recipient=7,
        at_ms=1_001,
        number=letter.number,
    )


async def test_a_poison_plan_is_noted_by_its_inputs_place(state: StateStores) -> None:
    rows = await state.dead_letters()
    plan = Plan(1, 42, 41, b"", b"", 5, Outcome.POISON, detail="cannot be decoded")
    fine = msgspec.structs.replace(plan, position=43, outcome=Outcome.ROUTED)
    await rows.write([batch(plan, fine, topic="plans.critical")])
    (letter,) = await rows.first(Wanted(), 0, 9)
    assert letter.key == input_key("critical", 0, 42)
    assert (letter.kind, letter.lane, letter.detail) == ("input", "critical", "cannot be decoded")


async def test_the_first_word_stands_however_often_it_is_said(state: StateStores) -> None:
    rows = await state.dead_letters()
    await rows.write([batch(failed(1))])
    await rows.write([batch(failed(1)), batch(failed(1, reason="later"), position=1)])
    assert [each.reason for each in await rows.get([delivery(1)])] == ["blocked"]
    assert await rows.marks() == {("outcomes", 0): 2}
    await state.reopen()
    rows = await state.dead_letters()
    assert await rows.marks() == {("outcomes", 0): 2}


async def test_what_is_wanted_is_found_in_both_directions(state: StateStores) -> None:
    rows = await state.dead_letters()
    some = [failed(n, channel="chat" if n % 2 else "email") for n in range(6)]
    await rows.write([batch(*some, failed(6, reason="too_large"))])
    assert await numbers(rows) == list(range(7))
    assert await numbers(rows, channel="chat") == [1, 3, 5]
    assert await numbers(rows, reason="too_large", lane="bulk", provider="smtp") == [6]
    assert await numbers(rows, since_ms=1_004) == [4, 5, 6]
    assert await numbers(rows, workflow="other") == []

    newest = await rows.page(Wanted(), None, 3)
    older = await rows.page(Wanted(), newest[-1].number, 3)
    assert [each.at_ms - 1_000 for each in (*newest, *older)] == [6, 5, 4, 3, 2, 1]
    later = await rows.first(Wanted(), older[-1].number, 2)
    assert [each.at_ms - 1_000 for each in later] == [2, 3]


async def test_a_letter_is_moved_once(state: StateStores) -> None:
    rows = await state.dead_letters()
    await rows.write([batch(failed(1), failed(2))])
    first, second = await rows.first(Wanted(), 0, 9)
    marks = {first.number: 5, second.number: 6, 999: 7}
    moved = await rows.move(marks, WAITING, REPLAYING, by="ops", why="w", now_ms=9)
    assert sorted(moved) == [first.number, second.number]
    assert await rows.move({first.number: 1}, WAITING, REPLAYING, by="x", why="", now_ms=9) == []
    await rows.move({first.number: 5}, REPLAYING, LetterState.REPLAYED, now_ms=10)
    (now,) = await rows.get([first.key])
    assert (now.state, now.by, now.why, now.changed_ms, now.mark) == ("replayed", "ops", "w", 10, 5)
    assert [each.key for each in await rows.first(Wanted(state=REPLAYING), 0, 9)] == [second.key]


async def test_what_waits_is_counted(state: StateStores) -> None:
    rows = await state.dead_letters()
    await rows.write([batch(failed(1), failed(2), failed(3, reason="too_large"))])
    assert await rows.counts() == {
        ("bulk", "email", "blocked"): 2,
        ("bulk", "email", "too_large"): 1,
    }
    (letter,) = await rows.get([delivery(1)])
    await rows.move({letter.number: 0}, WAITING, LetterState.DISCARDED, by="", why="", now_ms=1)
    assert (await rows.counts())["bulk", "email", "blocked"] == 1


async def test_a_receipts_letter_is_named_later(state: StateStores) -> None:
    rows = await state.dead_letters()
    await rows.write([batch(msgspec.structs.replace(failed(1), workflow=""), failed(2))])
    (nameless,) = await rows.unnamed(9)
    await rows.name({nameless.number: "news"})
    assert await rows.unnamed(9) == []
    assert await numbers(rows, workflow="news") == [1, 2]


async def test_nothing_is_left_of_who_was_erased(state: StateStores) -> None:
    rows = await state.dead_letters()
    await rows.write([batch(failed(1, recipient=8), failed(2))])
    assert await rows.erase([8, 9]) == 1
    assert await rows.get([delivery(1, 8)]) == []
    assert await numbers(rows) == [2]
