"""
Two ways to let rows go: those that an index finds by age, and those that a walk has to look for.

Both fill `tocsin.ports.keeping.Forgets`: one short transaction for each slice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

import apsw

from tocsin.adapters.sqlite.log_removal import overwriting
from tocsin.domain.keeping import Cut

T = TypeVar("T")

_ROWS: Final = 500
"""Rows of one slice: about two milliseconds of the writer."""

_WALK_ROWS: Final = 4_000
_WALK_EVERY_MS: Final = 6 * 3_600_000
"""A whole table is walked at most so often."""

Row = tuple[Any, ...]


class Store(Protocol):
    """The file that the rows are in."""

    async def read(self, query: Callable[[apsw.Connection], T]) -> T:
        """Run *query* on what is durable now."""

    async def write(self, operation: Callable[[apsw.Connection], T]) -> T:
        """Run *operation* and return its result when it is durable."""


class Aged:
    """Rows that an index orders by age; *edge* is what the statement compares with."""

    def __init__(
        self,
        name: str,
        store: Store,
        statement: str,
        edge: Callable[[Cut], object],
        *,
        rows: int = _ROWS,
    ) -> None:
        """*rows* are deleted in one transaction: fewer where they are large."""
        self.name = name
        self._store = store
        self._statement = statement
        self._edge = edge
        self._rows = rows

    async def forget(self, cut: Cut) -> int | None:
        """Delete the oldest."""
        bindings: Row = (self._edge(cut), self._rows)

        def delete(connection: apsw.Connection) -> int:
            with overwriting(connection):
                connection.execute(self._statement, bindings)
            return connection.changes()

        return await self._store.write(delete) or None


class Walked:
    """
    Rows in the order of their keys, of which *ended* says whether they may go.

    The first columns of *select* are the key, as many as *begin* has values, and it takes the last
    key that was seen and a limit.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        select: str,
        delete: str,
        *,
        begin: Row,
        ended: Callable[[Sequence[Row], Cut], Sequence[Row]],
        before_delete: Callable[[apsw.Connection, Sequence[Row]], None] | None = None,
    ) -> None:
        """*ended* returns those rows of a slice that go; *before_delete* runs in their transaction."""
        self.name = name
        self._store = store
        self._select = select
        self._delete = delete
        self._begin = begin
        self._at = begin
        self._ended = ended
        self._before = before_delete
        self._walked_ms: int | None = None

    async def forget(self, cut: Cut) -> int | None:
        """Walk one slice; a walk that ended begins anew some hours later."""
        if self._at == self._begin:
            walked_ms = self._walked_ms
            if walked_ms is not None and walked_ms <= cut.now_ms < walked_ms + _WALK_EVERY_MS:
                return None
            self._walked_ms = cut.now_ms
        bindings = (*self._at, _WALK_ROWS)
        rows: list[Row] = await self._store.read(
            lambda connection: connection.execute(self._select, bindings).fetchall()
        )
        gone = self._ended(rows, cut) if rows else ()
        for first in range(0, len(gone), _ROWS):
            await self._remove(gone[first : first + _ROWS])
        if len(rows) < _WALK_ROWS:
            self._at = self._begin
            return len(gone) or None
        self._at = rows[-1][: len(self._begin)]
        return len(gone)

    async def _remove(self, rows: Sequence[Row]) -> None:
        width = len(self._begin)

        def delete(connection: apsw.Connection) -> None:
            if self._before is not None:
                self._before(connection, rows)
            with overwriting(connection):
                connection.executemany(self._delete, [row[:width] for row in rows])

        await self._store.write(delete)


def of_events_before(at_ms: int) -> bytes:
    """Return what every key of an event accepted before *at_ms* sorts below."""
    return max(at_ms, 0).to_bytes(6, "big")
