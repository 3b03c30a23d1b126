"""Waiting: a clock that holds nobody up, and waits that end by saying what never came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
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
