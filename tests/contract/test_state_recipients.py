"""What every store of recipients guarantees."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.contract.state_stores import StateStores
from tocsin.domain.recipient import Address, Recipient
from tocsin.errors import Conflict, RequestRefused
from tocsin.ports.state import Recipients


def new(id_: str, **fields: object) -> Recipient:
    return msgspec.structs.replace(Recipient(0, id_), **fields)


def changed(recipient: Recipient, **fields: object) -> Recipient:
    return msgspec.structs.replace(recipient, version=recipient.version + 1, **fields)


async def put_one(recipients: Recipients, recipient: Recipient) -> Recipient:
    (stored,) = await recipients.put([recipient])
    return stored


async def test_a_new_recipient_gets_the_next_dense_number(state: StateStores) -> None:
    recipients = await state.recipients()

    first = await recipients.put([new("ada"), new("bob")])
    second = await recipients.put([new("cyd")])

    assert [r.number for r in (*first, *second)] == [1, 2, 3]


async def test_what_was_put_is_read_at_once_by_id_and_by_number(state: StateStores) -> None:
    recipients = await state.recipients()
    stored = await put_one(
        recipients, new("ada", name="Ada", addresses=(Address(1, "email", b"sealed", b"d" * 16),))
    )

    assert await recipients.by_id(["ada", "nobody"]) == {"ada": stored}
    assert await recipients.by_number([stored.number, 99]) == {stored.number: stored}


@pytest.mark.parametrize("cache_size", [1, 1_000])
async def test_what_is_durable_is_there_after_a_restart(
    state: StateStores, cache_size: int
) -> None:
    recipients = await state.recipients(cache_size)
    stored = await recipients.put([new(f"r{n}") for n in range(50)])
    await recipients.durable()
    await state.reopen()

    again = await state.recipients(cache_size)

    assert await again.by_id([r.id for r in stored]) == {r.id: r for r in stored}
    assert (await put_one(again, new("next"))).number == 51


async def test_a_version_that_is_not_the_next_is_a_conflict_and_nothing_is_kept(
    state: StateStores,
) -> None:
    recipients = await state.recipients()
    ada = await put_one(recipients, new("ada"))
    stale = msgspec.structs.replace(ada, version=3)

    with pytest.raises(Conflict):
        await recipients.put([new("bob"), stale])

    assert await recipients.by_id(["ada", "bob"]) == {"ada": ada}


@pytest.mark.parametrize(
    "wrong",
    [
        [Recipient(0, "ada")],
        [Recipient(77, "zoe", version=2)],
        [Recipient(0, "zoe", version=2)],
        [Recipient(0, "zoe"), Recipient(0, "zoe")],
        [Recipient(1, "bob", version=2)],
    ],
    ids=["id taken", "number unknown", "new with version", "twice", "renamed onto another"],
)
async def test_puts_that_contradict_what_is_stored_conflict(
    state: StateStores, wrong: list[Recipient]
) -> None:
    recipients = await state.recipients()
    await recipients.put([new("ada"), new("bob")])

    with pytest.raises(Conflict):
        await recipients.put(wrong)


@pytest.mark.parametrize("id_", ["", "a\0b"])
async def test_an_id_that_cannot_be_found_again_is_refused(state: StateStores, id_: str) -> None:
    recipients = await state.recipients()

    with pytest.raises(RequestRefused):
        await recipients.put([new(id_)])

    assert await recipients.by_id([id_]) == {}


async def test_of_concurrent_changes_one_wins(state: StateStores) -> None:
    recipients = await state.recipients(1)
    ada = await put_one(recipients, new("ada"))

    results = await asyncio.gather(
        *(recipients.put([changed(ada, name=f"name {n}")]) for n in range(20)),
        return_exceptions=True,
    )

    assert sum(isinstance(result, Conflict) for result in results) == 19
    assert (await recipients.by_id(["ada"]))["ada"].version == 2


async def test_reads_never_go_back_however_small_the_cache(state: StateStores) -> None:
    recipients = await state.recipients(1)
    crowd = await recipients.put([new(f"r{n}") for n in range(8)])
    seen = [0] * 9

    async def write() -> None:
        newest = list(crowd)
        for _ in range(30):
            newest = list(await recipients.put([changed(r) for r in newest]))

    async def read() -> None:
        for _ in range(60):
            before = list(seen)
            found = await recipients.by_number([r.number for r in crowd])
            for number, recipient in found.items():
                assert recipient.version >= before[number]
                seen[number] = max(seen[number], recipient.version)

    await asyncio.gather(write(), read(), read())

    final = await recipients.by_id([r.id for r in crowd])
    assert {r.version for r in final.values()} == {31}


async def test_old_versions_and_the_version_of_a_time_are_kept(state: StateStores) -> None:
    recipients = await state.recipients()
    first = await put_one(recipients, new("ada", changed_ms=100, name="A"))
    second = await put_one(recipients, changed(first, changed_ms=200, name="B"))
    await recipients.durable()

    assert await recipients.version(first.number, 1) == first
    assert await recipients.version(first.number, 2) == second
    assert await recipients.version(first.number, 3) is None
    assert await recipients.version_at(first.number, 99) is None
    assert await recipients.version_at(first.number, 100) == first
    assert await recipients.version_at(first.number, 199) == first
    assert await recipients.version_at(first.number, 5_000) == second


async def test_erasure_leaves_no_old_version_and_never_gives_the_number_again(
    state: StateStores,
) -> None:
    recipients = await state.recipients()
    first = await put_one(recipients, new("ada", name="Ada"))
    gone = await put_one(recipients, changed(first, id="erased-1", name=None, erased=True))
    await recipients.durable()

    assert await recipients.version(first.number, 1) is None
    assert await recipients.by_id(["ada"]) == {}
    assert await recipients.by_id(["erased-1"]) == {"erased-1": gone}
    assert (await put_one(recipients, new("ada"))).number == first.number + 1


async def test_an_id_given_up_is_not_found_before_or_after_a_restart(state: StateStores) -> None:
    recipients = await state.recipients(1)
    ada = await put_one(recipients, new("ada"))
    renamed = await put_one(recipients, changed(ada, id="eve"))

    assert await recipients.by_id(["ada", "eve"]) == {"eve": renamed}
    await recipients.durable()
    await state.reopen()
    assert await (await state.recipients()).by_id(["ada", "eve"]) == {"eve": renamed}


async def test_pages_follow_the_ids(state: StateStores) -> None:
    recipients = await state.recipients()
    await recipients.put([new(id_) for id_ in ("c", "a", "d", "b")])
    await recipients.durable()

    assert [r.id for r in await recipients.page(None, 3)] == ["a", "b", "c"]
    assert [r.id for r in await recipients.page("c", 3)] == ["d"]


async def test_everyone_is_who_exists_and_is_not_erased(state: StateStores) -> None:
    recipients, audiences = await state.recipients(), await state.audiences()
    stored = await recipients.put([new(f"r{n}") for n in range(5)])
    await recipients.put([changed(stored[2], erased=True)])
    await recipients.durable()

    assert list(await audiences.everyone()) == [1, 2, 4, 5]
