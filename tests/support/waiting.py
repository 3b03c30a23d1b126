"""Waiting: a clock that holds nobody up, and waits that end by saying what never came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from tocsin.adapters.system import VirtualClock

LIMIT_S = 20
"""Of real time, and less than a test has: a test that is killed says nothing."""

T = TypeVar("T")


class StandingClock(VirtualClock):
    """
    A virtual time in which pauses end though it stands, as `tocsin.ports.system.Clock` has it.

    On a busy machine any role may find its store locked, and pauses before it tries again. Only
    some tests let time pass while they wait: it would bring about what the others look at before.
    """

    async def pause(self, ms: int) -> None:
        """Return after *ms* of real time, or when `advance` has come so far."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ms / 1000):
                await super().pause(ms)


async def awaited(what: str, wait: Awaitable[T], limit_s: float = LIMIT_S) -> T:
    """Return what *wait* comes to; `AssertionError` naming *what* when that takes too long."""
    limit = asyncio.timeout(limit_s)
    try:
        async with limit:
            return await wait
    except TimeoutError as error:
        if limit.expired():
            raise AssertionError(f"not within {limit_s} s: {what}") from error
        raise


async def with_time_for(heard: Callable[[], bool], call: Callable[[int], Awaitable[T]]) -> T:
    """
    Return what comes of *call*, given so many milliseconds that the other side has *heard* of it.

    How many that takes depends on the machine. What a call comes to that had fewer is right as
    well, but another case; so it is made again with five times as many.
    """
    given_ms = 100
    while True:
        came = await call(given_ms)
        if heard() or given_ms > LIMIT_S * 1000:
            return came
        given_ms *= 5
