"""Waiting for whichever comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def set_(event: asyncio.Event) -> None:
    """Return when *event* is set."""
    await event.wait()


async def first_of(*waits: Coroutine[Any, Any, None]) -> None:
    """Return when one of *waits* has ended; the others are given up."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in waits]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
