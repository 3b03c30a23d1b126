"""What every store of groups, subscriptions and sets guarantees."""

from __future__ import annotations

import msgspec
import pytest

from tests.contract.state_stores import StateStores
from tocsin.domain.audience import Subscription
from tocsin.domain.fanout import SUPPRESSED_ADDRESS, suppression_key
from tocsin.domain.preferences import Preferences
from tocsin.domain.recipient import Address, Recipient
from tocsin.errors import NotFound
from tocsin.ports.state import Lifted, Recipients, Suppression

BLOCK = 65_536


def with_email(id_: str, digest: bytes) -> Recipient:
    return Recipient(0, id_, addresses=(Address(1, "email", b"sealed", digest),))


def listed(id_: str, **fields: object) -> Suppression:
    entry = Suppression(id_, None, None, None, reason="complaint", source="test", at_ms=1)
    return msgspec.structs.replace(entry, **fields)


async def people(recipients: Recipients, count: int) -> list[Recipient]:
    stored = list(await recipients.put([Recipient(0, f"r{n}") for n in range(count)]))
    await recipients.durable()
    return stored


# ------------------------------------------------------------ groups


async def test_members_join_and_leave_and_are_counted(state: StateStores) -> None:
    audiences = await state.audiences()
    await audiences.put_group("staff", "Staff", 10)

    assert await audiences.change_members("staff", add=[3, 1, 2, 3], remove=[], now_ms=20) == (3, 0)
    assert await audiences.change_members("staff", add=[1], remove=[2, 9], now_ms=30) == (0, 1)

    assert await audiences.group("staff") == ("staff", "Staff", 2)
    assert await audiences.members("staff", after=0, limit=10) == [1, 3]
    assert await audiences.members("staff", after=1, limit=10) == [3]
    assert await audiences.members("staff", after=0, limit=1) == [1]


async def test_membership_at_a_time_is_half_open(state: StateStores) -> None:
    audiences = await state.audiences()
    await audiences.put_group("staff", None, 0)
    await audiences.change_members("staff", add=[1], remove=[], now_ms=20)
    await audiences.change_members("staff", add=[], remove=[1], now_ms=30)
    await audiences.change_members("staff", add=[1, 2], remove=[], now_ms=40)

    members = {at: await audiences.members_at("staff", at, [1, 2, 3]) for at in (19, 20, 30, 40)}

    assert members == {19: set(), 20: {1}, 30: set(), 40: {1, 2}}


async def test_who_leaves_and_joins_in_one_millisecond_is_kept_apart(state: StateStores) -> None:
    audiences = await state.audiences()
    await audiences.put_group("staff", None, 0)
    for _ in range(3):
        await audiences.change_members("staff", add=[1], remove=[1], now_ms=20)

    assert await audiences.group("staff") == ("staff", None, 1)


async def test_a_deleted_group_ends_its_memberships_and_may_begin_anew(state: StateStores) -> None:
    audiences = await state.audiences()
    await audiences.put_group("staff", "Old", 0)
    await audiences.change_members("staff", add=[1, 2], remove=[], now_ms=10)

    assert await audiences.delete_group("staff", 20)
    assert not await audiences.delete_group("staff", 21)
    assert await audiences.group("staff") is None
    assert await audiences.members("staff", after=0, limit=9) == []
    with pytest.raises(NotFound):
        await audiences.change_members("staff", add=[1], remove=[], now_ms=22)

    await audiences.put_group("staff", "New", 30)
    assert await audiences.group("staff") == ("staff", "New", 0)
    assert await audiences.members_at("staff", 15, [1, 2]) == {1, 2}
    assert await audiences.members_at("staff", 30, [1, 2]) == set()


async def test_groups_are_durable(state: StateStores) -> None:
    audiences = await state.audiences()
    await audiences.put_group("staff", None, 0)
    await audiences.change_members("staff", add=[7], remove=[], now_ms=10)
    await state.reopen()

    assert await (await state.audiences()).members("staff", after=0, limit=9) == [7]


# ------------------------------------------------------------ subscriptions


async def test_a_subscription_replaces_the_one_before_and_both_are_remembered(
    state: StateStores,
) -> None:
    audiences = await state.audiences()
    await audiences.subscribe(Subscription(1, "orders", "o1"), 10)
    await audiences.subscribe(Subscription(2, "orders", "o1"), 15)
    await audiences.subscribe(Subscription(1, "orders", "o1"), 20)

    assert await audiences.subscribers("orders", "o1") == [
        Subscription(1, "orders", "o1", from_ms=20),
        Subscription(2, "orders", "o1", from_ms=15),
    ]
    assert await audiences.subscribers("orders", "o2") == []
    assert await audiences.subscribers_at("orders", "o1", 12) == [
        Subscription(1, "orders", "o1", from_ms=10, until_ms=20)
    ]


async def test_unsubscribing_ends_it_once(state: StateStores) -> None:
    audiences = await state.audiences()
    await audiences.subscribe(Subscription(1, "orders", "o1"), 10)

    assert await audiences.unsubscribe("orders", "o1", 1, 20)
    assert not await audiences.unsubscribe("orders", "o1", 1, 21)
    assert await audiences.subscribers("orders", "o1") == []
    assert [s.recipient for s in await audiences.subscribers_at("orders", "o1", 19)] == [1]


# ------------------------------------------------------------ sets


async def test_sets_follow_the_documents(state: StateStores) -> None:
    recipients, audiences = await state.recipients(), await state.audiences()
    (ada,) = await recipients.put([with_email("ada", b"a" * 16)])
    await recipients.put([Recipient(0, "bob", preferences=Preferences(channels={"email": False}))])
    await recipients.durable()
    keys = ["one/email", "off/channel/email", "no such set"]

    before = await audiences.sets(keys, 0)
    await recipients.put([msgspec.structs.replace(ada, version=2, addresses=())])
    await recipients.durable()
    after = await audiences.sets(keys, 0)

    assert {key: list(found) for key, found in before.items()} == {
        "one/email": [1],
        "off/channel/email": [2],
        "no such set": [],
    }
    assert list(after["one/email"]) == []


async def test_sets_are_cut_into_blocks(state: StateStores) -> None:
    recipients, audiences = await state.recipients(), await state.audiences()
    await people(recipients, BLOCK + 2)

    assert len(await audiences.everyone()) == BLOCK + 2
    assert list((await audiences.sets(["all"], 1))["all"]) == [BLOCK, BLOCK + 1, BLOCK + 2]
    assert list((await audiences.sets(["all"], 2))["all"]) == []


# ------------------------------------------------------------ suppressions


async def test_suppressions_are_found_by_recipient_and_by_address(state: StateStores) -> None:
    suppressions = await state.suppressions()
    by_number = listed("s1", recipient=1, channel="push")
    by_digest = listed("s2", digest=b"d" * 16)
    await suppressions.add([by_number, by_digest, listed("s3", recipient=2)])

    found = await suppressions.matching([1, 5], [b"d" * 16, b"dddd" + b"x" * 12])

    assert sorted(entry.id for entry in found) == ["s1", "s2"]
    assert await suppressions.matching([5], [b"x" * 16]) == []
    assert [e.id for e in await suppressions.page(None, 2)] == ["s1", "s2"]
    assert [e.id for e in await suppressions.page("s2", 2)] == ["s3"]


async def test_when_a_suppression_was_lifted_is_remembered(state: StateStores) -> None:
    suppressions = await state.suppressions()
    await suppressions.add([listed("s1", recipient=1), listed("s2", recipient=2)])
    await suppressions.lift([Lifted("s1", 20, "m1"), Lifted("s3", 20)])
    await suppressions.lift([Lifted("s1", 10, "m0")])
    await state.reopen()
    again = await state.suppressions()
    assert [entry.id for entry in await again.page(None, 9)] == ["s2"]
    assert await again.matching([1], []) == []
    assert await again.lifted(["s1", "s2", "s3"]) == {
        "s1": Lifted("s1", 20, "m1"),
        "s3": Lifted("s3", 20),
    }
    await again.add([listed("s1", recipient=1)])
    assert [entry.id for entry in await again.matching([1], [])] == ["s1"]
    assert await again.lifted([]) == {}


async def test_suppressions_are_durable_and_removed_once(state: StateStores) -> None:
    suppressions = await state.suppressions()
    await suppressions.add([listed("s1", recipient=1), listed("s2", digest=b"d" * 16)])
    await state.reopen()
    suppressions = await state.suppressions()

    assert len(await suppressions.matching([1], [b"d" * 16])) == 2
    assert await suppressions.remove("s1")
    assert not await suppressions.remove("s1")
    assert [e.id for e in await suppressions.matching([1], [b"d" * 16])] == ["s2"]


async def test_the_sets_of_the_suppressed_hold_as_long_as_any_entry_does(
    state: StateStores,
) -> None:
    suppressions, audiences = await state.suppressions(), await state.audiences()
    key = suppression_key("push")

    async def members() -> list[int]:
        return list((await audiences.sets([key], 0))[key])

    await suppressions.add([listed("a", recipient=1, channel="push")])
    await suppressions.add([listed("b", recipient=1, channel="push")])
    assert await members() == [1]
    await suppressions.remove("a")
    assert await members() == [1]
    await suppressions.add([listed("b", recipient=2, channel="push")])
    assert await members() == [2]
    await suppressions.remove("b")
    assert await members() == []


@pytest.mark.parametrize("address_first", [True, False])
async def test_who_has_a_suppressed_address_is_in_its_set_whichever_came_first(
    state: StateStores, address_first: bool
) -> None:
    recipients, suppressions = await state.recipients(), await state.suppressions()
    entry = listed("s", digest=b"d" * 16)
    if not address_first:
        await suppressions.add([entry])
    await recipients.put([with_email("ada", b"d" * 16), with_email("bob", b"e" * 16)])
    if address_first:
        await suppressions.add([entry])
    await recipients.durable()

    found = await (await state.audiences()).sets([SUPPRESSED_ADDRESS], 0)

    assert list(found[SUPPRESSED_ADDRESS]) == [1]


async def test_a_suppressed_address_is_known_after_a_restart(state: StateStores) -> None:
    recipients = await state.recipients()
    await recipients.put([with_email("ada", b"d" * 16)])
    await (await state.suppressions()).add([listed("s1", digest=b"e" * 16)])
    await state.reopen()
    recipients = await state.recipients()
    await (await state.suppressions()).add([listed("s2", digest=b"d" * 16)])
    await recipients.put([with_email("bob", b"e" * 16)])
    await recipients.durable()

    found = await (await state.audiences()).sets([SUPPRESSED_ADDRESS], 0)

    assert list(found[SUPPRESSED_ADDRESS]) == [1, 2]
