"""What every store of idempotency keys guarantees."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.state_stores import StateStores
from tocsin.errors import Conflict, RequestRefused
from tocsin.ports.state import StoredAnswer

ANSWER = StoredAnswer(202, b'{"id":"evt_1"}', "application/json")
MINUTE_MS = 60_000
DAY_MS = 86_400_000


async def test_the_answer_is_given_again_also_after_a_restart(state: StateStores) -> None:
    idempotency = await state.idempotency()
    assert await idempotency.begin("key", "k", b"f", 0) is None
    await idempotency.finish("key", "k", ANSWER, 10)
    await state.reopen()

    assert await (await state.idempotency()).begin("key", "k", b"f", 20) == ANSWER


async def test_of_many_at_once_one_runs_and_the_others_conflict(state: StateStores) -> None:
    idempotency = await state.idempotency()

    results = await asyncio.gather(
        *(idempotency.begin("key", "k", b"f", 0) for _ in range(64)), return_exceptions=True
    )

    assert results.count(None) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 63


@pytest.mark.parametrize("answered", [True, False])
async def test_another_body_under_the_key_is_refused(state: StateStores, answered: bool) -> None:
    idempotency = await state.idempotency()
    await idempotency.begin("key", "k", b"f", 0)
    if answered:
        await idempotency.finish("key", "k", ANSWER, 10)

    with pytest.raises(RequestRefused) as refused:
        await idempotency.begin("key", "k", b"other", 20)

    assert refused.value.code == "idempotency_key_reused"


async def test_scopes_are_apart(state: StateStores) -> None:
    idempotency = await state.idempotency()
    await idempotency.begin("one", "k", b"f", 0)

    assert await idempotency.begin("two", "k", b"other", 0) is None


async def test_who_does_not_come_back_is_taken_over_after_a_minute(state: StateStores) -> None:
    idempotency = await state.idempotency()
    await idempotency.begin("key", "k", b"f", 0)

    with pytest.raises(Conflict):
        await idempotency.begin("key", "k", b"f", MINUTE_MS - 1)
    assert await idempotency.begin("key", "k", b"f", MINUTE_MS) is None
    with pytest.raises(Conflict):
        await idempotency.begin("key", "k", b"f", MINUTE_MS + 1)


async def test_a_key_given_back_is_as_new_and_an_answer_stays(state: StateStores) -> None:
    idempotency = await state.idempotency()
    await idempotency.begin("key", "k", b"f", 0)
    await idempotency.forget("key", "k")
    assert await idempotency.begin("key", "k", b"other", 1) is None
    await idempotency.finish("key", "k", ANSWER, 2)
    await idempotency.forget("key", "k")
    assert await idempotency.begin("key", "k", b"other", 3) == ANSWER


async def test_after_a_day_a_key_is_as_new(state: StateStores) -> None:
    idempotency = await state.idempotency()
    await idempotency.begin("key", "k", b"f", 0)
    await idempotency.finish("key", "k", ANSWER, 10)

    assert await idempotency.begin("key", "k", b"f", DAY_MS) == ANSWER
    assert await idempotency.begin("key", "k", b"other", DAY_MS + 1) is None
