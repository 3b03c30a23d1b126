"""The file that holds the state, and whether it is the log's, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import apsw

from tocsin.adapters.sqlite.connection import Readers
from tocsin.adapters.sqlite.writer import Writer

T = TypeVar("T")

Settled = Callable[[bool], None]
"""Called on the loop with True when a write is durable, with False when it was not kept."""


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

        After that no log commit that is submitted becomes durable unless *operation* does.
        """
        if not self.ordered_with_log:
            future = self.writer.submit(operation)
            future.add_done_callback(partial(_tell, settled))
            return future
        # Nobody waits for it, so a failure stops the writer, and with it the log: were it only
        # dropped, the commit behind it would stand without it.
        self.writer.enqueue(operation)
        if settled is not None:
            behind = self.writer.submit(_nothing)
            behind.add_done_callback(partial(_tell, settled))
        return None

    async def write_ahead(self, operation: Callable[[apsw.Connection], object]) -> None:
        """Queue *operation*, and wait as long as `queue_ahead` says."""
        await until_kept(self.queue_ahead(operation))


async def until_kept(waiting: asyncio.Future[object] | None) -> None:
    """Wait for what `StateEngine.queue_ahead` returned; being cancelled cancels no write."""
    if waiting is not None:
        await asyncio.shield(waiting)


def _tell(settled: Settled | None, done: asyncio.Future[Any]) -> None:
    # Looked at in any case: an error that nobody looks at is reported as forgotten.
    kept = not done.cancelled() and done.exception() is None
    if settled is not None:
        settled(kept)


def _nothing(_connection: apsw.Connection) -> None:
    """Take the place behind the write, whose durability it tells of."""
