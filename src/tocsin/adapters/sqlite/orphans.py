"""Receipts in SQLite that wait for the attempt that they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Self

import apsw

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sql import queries

KEPT_MS: Final = 86_400_000

# Removed with each one that is kept: more than one, so that expired ones do not pile up.
_EXPIRED_AT_ONCE: Final = 4

Reference = tuple[str, str]
"""(provider, reference)"""


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
        self._references: dict[Reference, None] = {}

    @classmethod
    async def open(cls, engine: StateEngine, *, rows_max: int) -> Self:
        """Read the references."""
        orphans = cls(engine, rows_max=rows_max)
        known = await engine.read(lambda c: list(c.execute(orphans._sql["all"])))
        orphans._references.update(dict.fromkeys(known))
        return orphans

    async def keep(self, provider: str, reference: str, receipt: bytes, now_ms: int) -> None:
        """Keep one, and let some go."""

        def write(connection: apsw.Connection) -> None:
            ended = (now_ms - KEPT_MS, _EXPIRED_AT_ONCE)
            connection.execute(self._sql["expire"], ended)
            connection.execute(self._sql["keep"], (provider, reference, receipt, now_ms))
            connection.execute(self._sql["crowd_out"], (self._rows_max,))

        # Known before it is durable: whoever takes it meanwhile waits behind it at the writer.
        self._know((provider, reference))
        await self._engine.write(write)

    async def take(self, references: Sequence[Reference]) -> Mapping[Reference, Sequence[bytes]]:
        """Return and remove."""
        likely = [reference for reference in references if reference in self._references]
        if not likely:
            return {}

        def remove(connection: apsw.Connection) -> dict[Reference, list[bytes]]:
            taken = {}
            for reference in likely:
                rows = [receipt for (receipt,) in connection.execute(self._sql["get"], reference)]
                connection.execute(self._sql["delete"], reference)
                if rows:
                    taken[reference] = rows
            return taken

        # Forgotten before, so that one that is kept meanwhile is known afterwards.
        for reference in likely:
            self._references.pop(reference, None)
        try:
            return await self._engine.write(remove)
        except BaseException:
            for reference in likely:
                self._know(reference)
            raise

    def _know(self, reference: Reference) -> None:
        self._references.pop(reference, None)
        self._references[reference] = None
        if len(self._references) > self._rows_max:
            # Newer receipts have crowded its own out.
            del self._references[next(iter(self._references))]
