"""What every store of early receipts guarantees."""

from __future__ import annotations

from tests.contract.state_stores import ORPHANS_MAX, StateStores

DAY_MS = 86_400_000


async def test_receipts_are_taken_once_in_the_order_in_which_they_came(
    state: StateStores,
) -> None:
    orphans = await state.orphans()
    for receipt in (b"2", b"1", b"2"):
        await orphans.keep("ses", "ref", receipt, 10)
    await orphans.keep("sns", "ref", b"3", 10)

    assert await orphans.take([("ses", "ref"), ("ses", "other")]) == {("ses", "ref"): [b"2", b"1"]}
    assert await orphans.take([("ses", "ref")]) == {}
    assert await orphans.take([("sns", "ref")]) == {("sns", "ref"): [b"3"]}


async def test_receipts_survive_a_restart(state: StateStores) -> None:
    orphans = await state.orphans()
    await orphans.keep("ses", "ref", b"1", 10)
    await state.reopen()

    assert await (await state.orphans()).take([("ses", "ref")]) == {("ses", "ref"): [b"1"]}


async def test_receipts_go_after_a_day(state: StateStores) -> None:
    orphans = await state.orphans()
    await orphans.keep("ses", "old", b"1", 0)
    await orphans.keep("ses", "edge", b"2", 1)
    await orphans.keep("ses", "new", b"3", DAY_MS + 1)

    assert set(await orphans.take([("ses", name) for name in ("old", "edge", "new")])) == {
        ("ses", "edge"),
        ("ses", "new"),
    }


async def test_the_oldest_give_way_to_the_newest(state: StateStores) -> None:
    orphans = await state.orphans()
    references = [("ses", f"r{n}") for n in range(ORPHANS_MAX + 3)]
    for provider, reference in references:
        await orphans.keep(provider, reference, b"x", 10)

    assert list(await orphans.take(references)) == references[3:]
