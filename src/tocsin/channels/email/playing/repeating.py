"""Reports that mail services make again until somebody takes them, or their patience ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from tocsin.errors import TocsinError
from tocsin.ports.receipts import Callback, Response
from tocsin.ports.simulator import Tell

_HELD_MAX: Final = 10_000


class Repeating:
    """
    Makes what was not taken again, after each of *pauses_s* of real time, in a task of its own.

    Nothing of it outlives the process, as nothing else does that a vendor has still to say.
    """

    def __init__(self, pauses_s: Sequence[float]) -> None:
        self._pauses_s = pauses_s
        self._tasks: set[asyncio.Task[None]] = set()

    def around(self, tell: Tell) -> Tell:
        """Return a *tell* of which what fails is repeated; who made it fail hears of it, too."""

        async def told(callback: Callback) -> Response:
            try:
                return await tell(callback)
            except TocsinError:
                self._begin(callback, tell)
                raise

        return told

    async def close(self) -> None:
        """Stop repeating."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, callback: Callback, tell: Tell) -> None:
        if self._pauses_s and len(self._tasks) < _HELD_MAX:
            task = asyncio.get_running_loop().create_task(self._repeat(callback, tell))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _repeat(self, callback: Callback, tell: Tell) -> None:
        for pause_s in self._pauses_s:
            await asyncio.sleep(pause_s)
            try:
                await tell(callback)
            except TocsinError:
                continue
            return
