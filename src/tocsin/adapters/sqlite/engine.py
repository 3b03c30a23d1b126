"""The file that holds the state, and whether it is the log's, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import apsw

from tocsin.adapters.sqlite.connection import Readers
from tocsin.adapters.sqlite.writer import Settled, Writer, tell
from tocsin.errors import TocsinError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StateEngine:
    """
    What every adapter of the state store is made of.

    ``ordered_with_log`` says that the log commits through the same *writer*, so that a write
    queued here is durable no later than any commit that is queued after it.
    """

    writer: Writer
    readers: Readers
    ordered_with_log: bool

    async def write(self, operation: Callable[[apsw.Connection], T]) -> T:
        """Run *operation* and return its result when it is durable."""
        return await self.writer.submit(operation)

    async def execute(self, statement: str, bindings: tuple[Any, ...]) -> int:
        """Run one statement; returns how many rows it changed, when that is durable."""

        def run(connection: apsw.Connection) -> int:
            connection.execute(statement, bindings)
            return connection.changes()

        return await self.writer.submit(run)

    async def read(self, query: Callable[[apsw.Connection], T]) -> T:
        """Run *query* on what is durable now."""
        return await self.readers.run(query)

    def queue_ahead(
        self, operation: Callable[[apsw.Connection], object], settled: Settled | None = None
    ) -> asyncio.Future[object] | None:
        """
        Queue *operation* now, and return what must be waited for, if anything.

        After that no log commit that is submitted becomes durable unless *operation* does. When
        this raises, *settled* has been called with False.
        """
        try:
            if self.ordered_with_log:
                self.writer.enqueue(operation, settled)
                return None
            future: asyncio.Future[object] = self.writer.submit(operation)
        except TocsinError:
            if settled is not None:
                settled(False)
            raise
        future.add_done_callback(partial(tell, settled))
        return future

    async def write_ahead(self, operation: Callable[[apsw.Connection], object]) -> None:
        """Queue *operation*, and wait as long as `queue_ahead` says."""
        await until_kept(self.queue_ahead(operation))


async def until_kept(waiting: asyncio.Future[object] | None) -> None:
    """Wait for what `StateEngine.queue_ahead` returned; being cancelled cancels no write."""
    if waiting is not None:
        await asyncio.shield(waiting)
