"""Calls that take too long."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.leaping import leaping, passes
from tocsin.app.delivering.deadlines import Deadlines


async def _in_time(deadlines: Deadlines, timeout_ms: int, takes_s: float) -> float | None:
    """Return when something ended that *takes_s*, None when its time ran out."""
    caller = asyncio.current_task()
    assert caller is not None
    deadlines.begin(caller, asyncio.get_running_loop().time() + timeout_ms / 1000)
    try:
        await passes(takes_s)
    except asyncio.CancelledError:
        if not deadlines.end(caller):
            raise
        return None
    deadlines.end(caller)
    return asyncio.get_running_loop().time()


def run(*calls: tuple[int, float]) -> tuple[list[float | None], float]:
    """Make calls of (ms allowed, seconds taken) at once; return when each ended, and all."""

    async def main() -> tuple[list[float | None], float]:
        loop, deadlines = asyncio.get_running_loop(), Deadlines()
        began_s = loop.time()
        ended = await asyncio.gather(*(_in_time(deadlines, *each) for each in calls))
        return [None if at is None else at - began_s for at in ended], loop.time() - began_s

    return leaping(main())


def test_who_takes_too_long_is_ended_when_its_time_is_up() -> None:
    ended, all_s = run((2_000, 60.0))
    assert ended == [None]
    assert all_s == pytest.approx(2.0)


def test_the_others_go_on() -> None:
    ended, all_s = run((30_000, 5.0), (1_000, 20.0), (10_000, 9.0), (400, 0.1))
    assert ended == [pytest.approx(5.0), None, pytest.approx(9.0), pytest.approx(0.1)]
    assert all_s == pytest.approx(9.0)


def test_one_that_begins_later_has_its_whole_time() -> None:
    async def main() -> float:
        loop, deadlines = asyncio.get_running_loop(), Deadlines()
        assert await _in_time(deadlines, 3_000, 2.0) is not None
        began_s = loop.time()
        assert await _in_time(deadlines, 3_000, 60.0) is None
        return loop.time() - began_s

    assert leaping(main()) == pytest.approx(3.0)


def test_whoever_else_cancels_is_obeyed() -> None:
    async def main() -> None:
        deadlines = Deadlines()
        calling = asyncio.get_running_loop().create_task(_in_time(deadlines, 1_000, 60.0))
        await passes(0.5)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling

    leaping(main())
