"""What every store of fan-outs guarantees."""

from __future__ import annotations

import msgspec
import pytest

from tests.contract.state_stores import StateStores
from tocsin.ports.state import Fanout


def fanout(n: int = 1, **fields: object) -> Fanout:
    row = Fanout(
        key=n.to_bytes(16, "big"),
        event=b"e" * 16,
        event_lane="bulk",
        event_partition=0,
        event_position=7,
        workflow="hello",
        version=1,
        index=0,
        lane="bulk",
        snapshot="snapshots/1",
        audience=200_000,
        created_ms=n,
    )
    return msgspec.structs.replace(row, **fields)


async def test_a_fanout_is_created_once_and_survives(state: StateStores) -> None:
    fanouts = await state.fanouts()
    await fanouts.claim_create([fanout()])
    await fanouts.claim_create([fanout(snapshot="another")])
    await state.settled()
    await state.reopen()
    fanouts = await state.fanouts()

    assert await fanouts.get(fanout().key) == fanout()
    assert await fanouts.get(b"?" * 16) is None
    assert await fanouts.of_event(b"e" * 16) == [fanout()]


async def test_what_runs_in_a_lane_comes_oldest_first(state: StateStores) -> None:
    fanouts = await state.fanouts()
    await fanouts.claim_create([fanout(2), fanout(1), fanout(3, lane="critical")])
    await state.settled()
    assert await fanouts.running("bulk") == [fanout(1), fanout(2)]

    await fanouts.set_state(fanout(1).key, "paused", "by hand", 9)

    assert await fanouts.running("bulk") == [fanout(2)]


async def test_the_cursor_never_goes_back(state: StateStores) -> None:
    fanouts = await state.fanouts()
    await fanouts.claim_create([fanout()])
    await fanouts.claim_advance(fanout().key, cursor=3, decided=300, done=False)
    await fanouts.claim_advance(fanout().key, cursor=2, decided=200, done=True)
    await state.settled()

    assert await fanouts.get(fanout().key) == fanout(cursor=3, decided=300)


async def test_the_last_step_ends_it_for_good(state: StateStores) -> None:
    fanouts = await state.fanouts()
    await fanouts.claim_create([fanout()])
    await fanouts.claim_advance(fanout().key, cursor=4, decided=400, done=True)

    stands = await fanouts.set_state(fanout().key, "paused", "too late", 9)

    assert stands == fanout(cursor=4, decided=400, state="done")
    assert await fanouts.set_state(b"?" * 16, "paused", "", 9) is None


@pytest.mark.parametrize(("state_then", "state_now"), [("paused", "done"), ("aborted", "aborted")])
async def test_a_step_under_way_finishes_what_is_paused_but_not_what_is_aborted(
    state: StateStores, state_then: str, state_now: str
) -> None:
    fanouts = await state.fanouts()
    await fanouts.claim_create([fanout()])
    await fanouts.set_state(fanout().key, state_then, "by hand", 9)
    await fanouts.claim_advance(fanout().key, cursor=4, decided=400, done=True)
    await state.settled()

    found = await fanouts.get(fanout().key)

    assert found is not None
    assert (found.state, found.reason, found.cursor) == (state_now, "by hand", 4)
    assert await fanouts.set_state(fanout().key, "running", "", 10) == found
