"""What every audit trail guarantees."""

from __future__ import annotations

from tests.contract.state_stores import StateStores
from tocsin.ports.state import Change, Trail


def change(n: int) -> Change:
    return Change(at_ms=n, by="ada", action="pause", target=f"lane/{n}", detail="too loud")


async def read(trail: Trail, since_ms: int = 0) -> list[Change]:
    return [entry async for entry in trail.entries(since_ms)]


async def test_entries_are_kept_in_order(state: StateStores) -> None:
    trail = await state.trail()
    await trail.add([change(1), change(2)])
    await trail.add([])
    await trail.add([change(3)])
    await state.reopen()
    trail = await state.trail()

    assert await read(trail) == [change(1), change(2), change(3)]
    assert await read(trail, since_ms=2) == [change(2), change(3)]
    assert await trail.verify() is None


async def test_a_long_trail_is_read_and_verified_whole(state: StateStores) -> None:
    trail = await state.trail()
    await trail.add([change(n) for n in range(1_234)])

    assert await read(trail) == [change(n) for n in range(1_234)]
    assert await trail.verify() is None


async def test_an_empty_trail_is_sound(state: StateStores) -> None:
    trail = await state.trail()

    assert await trail.verify() is None
    assert await read(trail) == []
