"""Receipts in SQLite that wait for the attempt that they are about."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final, Self

import apsw

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sql import queries

KEPT_MS: Final = 86_400_000

# Removed with each one that is kept: more than one, so that expired ones do not pile up.
_EXPIRED_AT_ONCE: Final = 4


class SqliteOrphans:
    """
    Fills `tocsin.ports.state.Orphans`, with at most *rows_max* receipts: then the oldest go.

    Every attempt asks whether a receipt came before it, and nearly none has one; so the references
    are kept in memory, and only those that are there cost a write.
    """

    def __init__(self, engine: StateEngine, *, rows_max: int) -> None:
        self._engine = engine
        self._rows_max = rows_max
        self._sql = queries("orphans")
        self._references: OrderedDict[str, int] = OrderedDict()
        self._numbers = itertools.count()

    @classmethod
    async def open(cls, engine: StateEngine, *, rows_max: int) -> Self:
        """Read the references."""
        orphans = cls(engine, rows_max=rows_max)
        known = await engine.read(lambda c: list(c.execute(orphans._sql["all"])))
        for (reference,) in known:
            orphans._know(reference)
        return orphans

    async def keep(self, receipts: Mapping[str, Sequence[bytes]], now_ms: int) -> None:
        """Keep them, and let some go."""
        rows = [(of, receipt, now_ms) for of, some in receipts.items() for receipt in some]
        ended = (now_ms - KEPT_MS, _EXPIRED_AT_ONCE * max(1, len(rows)))

        def write(connection: apsw.Connection) -> None:
            connection.execute(self._sql["expire"], ended)
            connection.executemany(self._sql["keep"], rows)
            connection.execute(self._sql["crowd_out"], (self._rows_max,))

        # Known before they are durable: who asks meanwhile reads behind them at the writer.
        for reference in receipts:
            self._know(reference)
        await self._engine.write(write)

    async def kept(self, references: Sequence[str]) -> Mapping[str, Sequence[bytes]]:
        """Return what is there."""
        likely = [reference for reference in references if reference in self._references]
        if not likely:
            return {}

        def read(connection: apsw.Connection) -> dict[str, list[bytes]]:
            found = {of: self._of(connection, of) for of in likely}
            return {of: rows for of, rows in found.items() if rows}

        return await self._engine.write(read)

    async def drop(self, receipts: Mapping[str, Sequence[bytes]]) -> None:
        """Remove these, and forget references that nothing is left of."""

        def remove(connection: apsw.Connection) -> list[str]:
            rows = [(of, receipt) for of, some in receipts.items() for receipt in some]
            connection.executemany(self._sql["delete"], rows)
            return [of for of in receipts if not self._of(connection, of)]

        if receipts:
            known = {of: self._references.get(of) for of in receipts}
            for of in await self._engine.write(remove):
                # One that was kept anew meanwhile has a later number.
                if self._references.get(of) == known[of]:
                    self._references.pop(of, None)

    def references(self) -> Sequence[str]:
        """Return what memory knows."""
        return list(self._references)

    def _of(self, connection: apsw.Connection, reference: str) -> list[bytes]:
        return [receipt for (receipt,) in connection.execute(self._sql["get"], (reference,))]

    def _know(self, reference: str) -> None:
        self._references.pop(reference, None)
        self._references[reference] = next(self._numbers)
        if len(self._references) > self._rows_max:
            # Newer receipts have crowded its own out.
            self._references.popitem(last=False)
