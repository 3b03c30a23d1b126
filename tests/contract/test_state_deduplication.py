"""What every store of owners guarantees, for events and for timers."""

from __future__ import annotations

import asyncio
import random

from tests.contract.state_stores import WINDOW_MS, StateStores
from tocsin.ports.state import Deduplication

HOUR_MS = 3_600_000
NOW_MS = 1_000 * HOUR_MS


def digest(n: int) -> bytes:
    return random.Random(n).randbytes(16)


def owner(n: int) -> bytes:
    return n.to_bytes(16, "big")


async def test_the_first_claim_owns_whoever_comes_later(state: StateStores) -> None:
    deduplication = await state.deduplication()

    first = await deduplication.claim([(digest(1), owner(1)), (digest(2), owner(2))], NOW_MS)
    second = await deduplication.claim([(digest(2), owner(3)), (digest(3), owner(3))], NOW_MS)

    assert (first, second) == ([owner(1), owner(2)], [owner(2), owner(3)])


async def test_within_one_call_the_first_wins(state: StateStores) -> None:
    deduplication = await state.deduplication()

    owners = await deduplication.claim([(digest(1), owner(5)), (digest(1), owner(4))], NOW_MS)

    assert owners == [owner(5), owner(5)]


async def test_the_same_claim_again_is_no_duplicate(state: StateStores) -> None:
    deduplication = await state.deduplication()
    for _ in range(3):
        assert await deduplication.claim([(digest(1), owner(1))], NOW_MS) == [owner(1)]


async def test_concurrent_claims_agree(state: StateStores) -> None:
    deduplication = await state.deduplication()

    answers = await asyncio.gather(
        *(deduplication.claim([(digest(1), owner(n))], NOW_MS) for n in range(20))
    )

    assert len({answer[0] for answer in answers}) == 1


async def test_all_is_known_after_a_restart(state: StateStores) -> None:
    deduplication = await state.deduplication()
    await deduplication.claim([(digest(n), owner(n)) for n in range(500)], NOW_MS)
    await state.settled()
    await state.reopen()
    deduplication = await state.deduplication()

    claims = [(digest(n), owner(n + 9_000)) for n in range(501)]
    owners = await deduplication.claim(claims, NOW_MS + 1)

    assert owners == [*(owner(n) for n in range(500)), owner(9_500)]


async def test_lookup_is_exact_and_never_waits(state: StateStores) -> None:
    deduplication = await state.deduplication()
    await deduplication.claim([(digest(1), owner(1))], NOW_MS)

    assert deduplication.lookup([digest(1), digest(2)], NOW_MS) == {digest(1): owner(1)}
    assert deduplication.lookup([digest(1)], NOW_MS + 2 * WINDOW_MS) == {}


async def test_the_window_is_kept_and_passes(state: StateStores) -> None:
    deduplication = await state.deduplication()
    await deduplication.claim([(digest(1), owner(1))], NOW_MS)

    async def claim_at(now_ms: int, n: int) -> bytes:
        return (await deduplication.claim([(digest(1), owner(n))], now_ms))[0]

    assert await claim_at(NOW_MS + WINDOW_MS, 2) == owner(1)
    assert await claim_at(NOW_MS + WINDOW_MS + HOUR_MS, 3) == owner(3)
    assert await claim_at(NOW_MS + WINDOW_MS + HOUR_MS + 1, 4) == owner(3)


async def test_explain_finds_the_newest_owner(state: StateStores) -> None:
    deduplication = await state.deduplication()
    await _claim(deduplication, 1, NOW_MS)
    await _claim(deduplication, 2, NOW_MS + 2 * WINDOW_MS)

    assert await deduplication.owner(digest(1)) == owner(2)
    assert await deduplication.owner(digest(7)) is None
    assert await deduplication.owners([digest(1), digest(7)]) == {digest(1): owner(2)}


async def _claim(deduplication: Deduplication, n: int, now_ms: int) -> None:
    await deduplication.claim([(digest(1), owner(n))], now_ms)
