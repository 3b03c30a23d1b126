"""What every store of early receipts guarantees."""

from __future__ import annotations

from tests.contract.state_stores import ORPHANS_MAX, StateStores

DAY_MS = 86_400_000


async def test_receipts_are_kept_in_the_order_in_which_they_came_until_they_are_dropped(
    state: StateStores,
) -> None:
    orphans = await state.orphans()
    ses, sns = "dlv_1", "dlv_2"
    for receipt in (b"2", b"1", b"2"):
        await orphans.keep({ses: [receipt]}, 10)
    await orphans.keep({sns: [b"3"]}, 10)

    assert await orphans.kept([ses, "other"]) == {ses: [b"2", b"1"]}
    assert set(orphans.references()) == {ses, sns}
    await orphans.drop({ses: [b"2"]})
    assert await orphans.kept([ses]) == {ses: [b"1"]}
    await orphans.drop({ses: [b"1", b"2"]})
    assert await orphans.kept([ses]) == {}
    assert await orphans.kept([sns]) == {sns: [b"3"]}
    assert list(orphans.references()) == [sns]


async def test_many_are_kept_at_once(state: StateStores) -> None:
    orphans = await state.orphans()
    many = {f"r{n}": [b"1", b"2"] for n in range(ORPHANS_MAX // 2)}
    await orphans.keep(many, 10)
    assert await orphans.kept(list(many)) == many


async def test_one_that_is_kept_while_another_is_dropped_stays(state: StateStores) -> None:
    orphans = await state.orphans()
    ref = "dlv_1"
    await orphans.keep({ref: [b"1"]}, 10)
    await orphans.drop({ref: [b"1"]})
    await orphans.keep({ref: [b"2"]}, 10)
    await orphans.drop({ref: [b"1"]})
    assert await orphans.kept([ref]) == {ref: [b"2"]}


async def test_receipts_survive_a_restart(state: StateStores) -> None:
    orphans = await state.orphans()
    await orphans.keep({"ref": [b"1"]}, 10)
    await state.reopen()

    again = await state.orphans()
    assert list(again.references()) == ["ref"]
    assert await again.kept(["ref"]) == {"ref": [b"1"]}


async def test_receipts_go_after_a_day(state: StateStores) -> None:
    orphans = await state.orphans()
    for name, at_ms in (("old", 0), ("edge", 1), ("new", DAY_MS + 1)):
        await orphans.keep({name: [b"1"]}, at_ms)

    assert set(await orphans.kept(["old", "edge", "new"])) == {"edge", "new"}


async def test_the_oldest_give_way_to_the_newest(state: StateStores) -> None:
    orphans = await state.orphans()
    references = [f"r{n}" for n in range(ORPHANS_MAX + 3)]
    for reference in references:
        await orphans.keep({reference: [b"x"]}, 10)

    assert list(await orphans.kept(references)) == references[3:]
