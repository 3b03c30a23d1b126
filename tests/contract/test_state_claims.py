"""What every store of claims guarantees: one of those who race comes first."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.contract.state_stores import StateStores
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.recipient import Recipient
from tocsin.errors import NotFound
from tocsin.ports.state import Claim, Tombstone


def delivery(recipient: int, n: int = 0) -> bytes:
    event = EventKey(n.to_bytes(10, "big") + bytes(6))
    return delivery_key(notification_key(event, 0, recipient), 1, 0)


def route(recipient: int, *, n: int = 0, **fields: object) -> Claim:
    return msgspec.structs.replace(Claim(delivery(recipient, n), "route", "sent", 0, 50), **fields)


async def test_the_first_claim_stands(state: StateStores) -> None:
    claims = await state.claims()
    first = route(1)
    assert await claims.claim([first]) == [first]
    await state.reopen()
    claims = await state.claims()

    other = route(1, holder="cancel")
    assert await claims.claim([route(2), other]) == [route(2), first]


async def test_of_many_swaps_of_one_row_one_succeeds(state: StateStores) -> None:
    claims = await state.claims()
    old = route(1)
    await claims.claim([old])

    wanted = [msgspec.structs.replace(old, holder="worker", epoch=n + 1) for n in range(20)]
    standing = await asyncio.gather(*(claims.swap(old, new) for new in wanted))

    assert len({claim.epoch for claim in standing}) == 1
    assert standing[0] in wanted


async def test_a_swap_needs_a_row(state: StateStores) -> None:
    claims = await state.claims()

    with pytest.raises(NotFound):
        await claims.swap(route(1), route(1, epoch=1))


async def test_of_many_swaps_in_one_write_each_is_judged_alone(state: StateStores) -> None:
    claims = await state.claims()
    stands, moved = route(1), route(2, holder="cancel", state="cancelled")
    await claims.claim([stands, moved])

    pairs = [(route(n), route(n, holder="worker", epoch=1)) for n in (1, 2, 3)]
    assert await claims.swap_many(pairs) == [pairs[0][1], moved, None]
    await state.reopen()
    claims = await state.claims()
    assert await claims.claim([stands, moved]) == [pairs[0][1], moved]
    assert await claims.swap_many([]) == []


async def test_rows_are_found_by_their_cancellation_key(state: StateStores) -> None:
    claims = await state.claims()
    await claims.claim([route(1, cancellation_key="a"), route(2, cancellation_key="b"), route(3)])
    await claims.swap(route(1), route(1, holder="worker"))

    (found,) = await claims.by_cancellation_key("a")

    assert (found.delivery, found.holder) == (delivery(1), "worker")
    assert await claims.by_cancellation_key("c") == []


async def test_a_tombstone_catches_what_is_claimed_after_it(state: StateStores) -> None:
    claims = await state.claims()
    standing = route(1, cancellation_key="a")
    await claims.claim([standing])
    await claims.put_tombstone(Tombstone("a", None, 10, 100))

    later = [route(n, cancellation_key="a") for n in (1, 2)]
    other = route(3, cancellation_key="b")
    found = await claims.claim([*later, other])

    assert [(c.holder, c.state) for c in found] == [
        ("route", "sent"),
        ("cancel", "cancelled"),
        ("route", "sent"),
    ]


async def test_a_tombstone_catches_only_those_it_means(state: StateStores) -> None:
    recipients, claims = await state.recipients(), await state.claims()
    await recipients.put([Recipient(0, "ada"), Recipient(0, "bob")])
    await claims.put_tombstone(Tombstone("a", ("bob",), 10, 100))
    asked = [
        route(1, n=1, cancellation_key="a"),
        route(2, n=2, cancellation_key="a"),
        route(2, n=3, cancellation_key="a", event_ms=10),
        route(2, n=4, cancellation_key="a", event_ms=11),
        route(2, n=5, cancellation_key="a", at_ms=100),
        route(2, n=6, cancellation_key="a", at_ms=101),
    ]

    found = await claims.claim(asked)

    assert [c.holder for c in found] == ["route", "cancel", "cancel", "route", "cancel", "route"]


async def test_cancel_and_claim_never_miss_one_another(state: StateStores) -> None:
    claims = await state.claims()

    async def cancel(key: str) -> bool:
        await claims.put_tombstone(Tombstone(key, None, 10, 100))
        return bool(await claims.by_cancellation_key(key))

    async def start(key: str, n: int) -> bool:
        (standing,) = await claims.claim([route(1, n=n, cancellation_key=key)])
        return standing.holder == "cancel"

    for n in range(50):
        seen_by_cancel, seen_by_claim = await asyncio.gather(cancel(f"k{n}"), start(f"k{n}", n))
        assert seen_by_cancel or seen_by_claim


async def test_live_tombstones_are_given_by_key_oldest_first(state: StateStores) -> None:
    claims = await state.claims()
    tombstones = [
        Tombstone("a", None, 20, 100),
        Tombstone("a", ("ada",), 10, 100),
        Tombstone("a", None, 5, 30),
        Tombstone("b", None, 10, 100),
    ]
    for tombstone in tombstones:
        await claims.put_tombstone(tombstone)
    await claims.put_tombstone(tombstones[0])

    assert await claims.tombstones(["a", "x"], 50) == {"a": [tombstones[1], tombstones[0]]}
    assert await claims.tombstones(["b"], 101) == {}
