"""What every store of erasures guarantees."""

from __future__ import annotations

import msgspec

from tests.contract.state_stores import StateStores
from tocsin.ports.state import Erasure


def begun(n: int, at_ms: int, digest: bytes = b"d" * 16) -> Erasure:
    return Erasure(
        id=bytes([n]) * 16,
        digest=digest,
        recipient=n,
        begun_ms=at_ms,
        sealed=b"sealed",
        name=f"erased-{n}",
    )


def done(erasure: Erasure, at_ms: int) -> Erasure:
    return msgspec.structs.replace(
        erasure,
        sealed=None,
        done_ms=at_ms,
        counts={"inbox": 3, "log": 2},
        shared_until_ms=at_ms + 1,
        proof=b"proof",
        signature=b"signature",
    )


async def test_an_erasure_is_there_with_all_that_it_says(state: StateStores) -> None:
    rows = await state.erasures()
    first = begun(1, 5)
    await rows.put(first)
    assert await rows.get(first.id) == first
    assert await rows.get(b"x" * 16) is None

    await rows.put(done(first, 9))
    await state.reopen()
    assert await (await state.erasures()).get(first.id) == done(first, 9)


async def test_what_runs_is_listed_oldest_first_until_it_is_done(state: StateStores) -> None:
    rows = await state.erasures()
    # Ids rise while times fall, so that an order by id would be the wrong one.
    erasures = [begun(n, 100 - n) for n in range(1, 5)]
    for each in erasures:
        await rows.put(each)
    assert await rows.running() == erasures[::-1]

    await rows.put(done(erasures[2], 200))
    await state.reopen()
    rows = await state.erasures()
    assert await rows.running() == [erasures[3], erasures[1], erasures[0]]


async def test_the_same_id_can_be_erased_again_and_each_is_found_by_its_hash(
    state: StateStores,
) -> None:
    rows = await state.erasures()
    late, early, other = begun(1, 9), begun(2, 5), begun(3, 1, digest=b"o" * 16)
    for each in (late, early, other):
        await rows.put(each)
    assert await rows.of_digest(late.digest) == [early, late]
    assert await rows.of_digest(b"n" * 16) == []


async def test_whoever_was_erased_stays_known_when_it_is_done(state: StateStores) -> None:
    rows = await state.erasures()
    first, second = begun(1, 5), begun(2, 6)
    await rows.put(first)
    await rows.put(second)
    await rows.put(done(first, 9))
    await state.reopen()
    assert sorted(await (await state.erasures()).numbers()) == [1, 2]
