"""Dead letters in SQLite: rows of the state store that follow from the log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sql import bind_blobs, bind_numbers, queries
from tocsin.domain.dead_letters import DeadLetter, Kind, LetterState, Wanted, letters
from tocsin.ports.log import Batch

_SQL: Final = queries("dead_letters")
_WRITTEN: Final = (
    "key",
    "kind",
    "lane",
    "channel",
    "workflow",
    "provider",
    "reason",
    "detail",
    "recipient",
    "at_ms",
)


class LettersWrite:
    """One transaction's part; nearly always nothing."""

    __slots__ = ("_rows",)

    def __init__(self, batches: Sequence[Batch]) -> None:
        self._rows = [
            tuple([getattr(letter, name) for name in _WRITTEN])
            for batch in batches
            for letter in letters(batch.topic, batch.partition, batch.records)
        ]

    def __call__(self, connection: apsw.Connection) -> None:
        """Insert where absent."""
        if self._rows:
            connection.executemany(_SQL["add"], self._rows)

    def undo(self) -> None:
        """There is nothing in memory."""


class SqliteDeadLetters:
    """Fills `tocsin.ports.state.DeadLetters`."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    def prepare(self, batches: Sequence[Batch]) -> LettersWrite:
        """Return the write of *batches*."""
        return LettersWrite(batches)

    async def write(self, batches: Sequence[Batch]) -> None:
        """Apply *batches* in a transaction of its own."""
        write = self.prepare(batches)
        marks = [(each.topic, each.partition, each.end) for each in batches]

        def apply(connection: apsw.Connection) -> None:
            write(connection)
            connection.executemany(_SQL["mark"], marks)

        await self._engine.write(apply)

    async def marks(self) -> Mapping[tuple[str, int], int]:
        """Return how far each partition is applied."""
        return await self._engine.read(
            lambda c: {(topic, p): position for topic, p, position in c.execute(_SQL["marks"])}
        )

    async def get(self, keys: Collection[bytes]) -> Sequence[DeadLetter]:
        """Return those that exist."""
        bindings = (bind_blobs(set(keys)),)
        return await self._engine.read(lambda c: _read(c.execute(_SQL["get"], bindings)))

    async def page(self, wanted: Wanted, before: int | None, limit: int) -> Sequence[DeadLetter]:
        """Return a page, newest first."""
        return await self._found("page", wanted, before, limit)

    async def first(self, wanted: Wanted, after: int, limit: int) -> Sequence[DeadLetter]:
        """Return the oldest."""
        return await self._found("first", wanted, after, limit)

    async def move(
        self,
        marks: Mapping[int, int],
        before: LetterState,
        after: LetterState,
        *,
        by: str | None = None,
        why: str | None = None,
        now_ms: int,
    ) -> Sequence[int]:
        """Move them in one transaction."""

        def move(connection: apsw.Connection) -> list[int]:
            moved = []
            for number, mark in marks.items():
                values = (number, before, after, by, why, now_ms, mark)
                connection.execute(_SQL["move"], values)
                if connection.changes():
                    moved.append(number)
            return moved

        return await self._engine.write(move)

    async def unnamed(self, limit: int) -> Sequence[DeadLetter]:
        """Return what no worker has named."""
        return await self._engine.read(lambda c: _read(c.execute(_SQL["unnamed"], (limit,))))

    async def name(self, workflows: Mapping[int, str]) -> None:
        """Write workflows."""
        rows = list(workflows.items())
        await self._engine.write(lambda c: c.executemany(_SQL["name"], rows))

    async def counts(self) -> Mapping[tuple[str, str, str], int]:
        """Count what waits, in an index of its own."""
        return await self._engine.read(
            lambda c: {(lane, ch, why): n for lane, ch, why, n in c.execute(_SQL["counts"])}
        )

    async def erase(self, recipients: Collection[int]) -> int:
        """Remove what is about them."""
        return await self._engine.execute(_SQL["erase"], (bind_numbers(set(recipients)),))

    async def _found(
        self, query: str, wanted: Wanted, edge: int | None, limit: int
    ) -> Sequence[DeadLetter]:
        bindings = {**msgspec.structs.asdict(wanted), "edge": edge, "rows": limit}
        return await self._engine.read(lambda c: _read(c.execute(_SQL[query], bindings)))


def _read(rows: Iterable[tuple[Any, ...]]) -> list[DeadLetter]:
    names = DeadLetter.__struct_fields__
    found = []
    for row in rows:
        values = dict(zip(names, row, strict=True))
        values["kind"], values["state"] = Kind(values["kind"]), LetterState(values["state"])
        found.append(DeadLetter(**values))
    return found
