"""Runs that wait, in SQLite: one row per run, one for each delivery of a provider's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine, until_kept
from tocsin.adapters.sqlite.sql import bind_blobs, bind_numbers, queries
from tocsin.domain.waiting import Fact
from tocsin.ports.state import Wait, Watched

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Wait).decode
_RUN_BYTES: Final = 16


class SqliteWaits:
    """Fills `tocsin.ports.state.Waits`."""

    def __init__(self, engine: StateEngine, *, any_rows: bool) -> None:
        self._engine = engine
        self._sql = queries("waits")
        self._any = any_rows
        self._puts = 0
        self._tells: list[Callable[[Sequence[bytes]], None]] = []

    @classmethod
    async def open(cls, engine: StateEngine) -> SqliteWaits:
        """Look whether there are rows."""
        sql = queries("waits")
        found = await engine.read(lambda c: c.execute(sql["any"]).get)
        return cls(engine, any_rows=bool(found))

    @property
    def any(self) -> bool:
        """Whether rows were written since the table was last seen empty."""
        return self._any

    async def look(self) -> None:
        """Look again whether there are rows; what is put meanwhile counts."""
        before = self._puts
        found = await self._engine.read(lambda c: c.execute(self._sql["any"]).get)
        if not found and self._puts == before:
            self._any = False

    def on_put(self, tell: Callable[[Sequence[bytes]], None]) -> None:
        """Call *tell* after each put."""
        self._tells.append(tell)

    async def claim_put(self, waits: Sequence[Wait], facts: Sequence[Fact]) -> None:
        """Insert or replace."""
        rows = [(w.run, w.recipient, w.interval, int(w.armed), _encode(w)) for w in waits]
        known = list(map(msgspec.structs.astuple, facts))

        self._puts += 1

        def put(connection: apsw.Connection) -> None:
            connection.executemany(self._sql["put"], rows)
            connection.executemany(self._sql["fact"], known)

        def settled(kept: bool) -> None:
            if kept:
                self._any = True
                self._puts += 1
                for tell in self._tells:
                    tell([each.run for each in waits if not each.armed])

        await until_kept(self._engine.queue_ahead(put, settled))

    async def claim_drop(self, runs: Sequence[bytes]) -> None:
        """Delete, ahead of the commit to come."""
        bound = bind_blobs(runs)
        deliveries = list(map(_deliveries, runs))

        def drop(connection: apsw.Connection) -> None:
            connection.execute(self._sql["drop"], (bound,))
            connection.executemany(self._sql["drop_facts"], deliveries)

        await self._engine.write_ahead(drop)

    async def note(self, facts: Sequence[Fact]) -> None:
        """Update what has rows."""
        deliveries = [
            (f.delivery, f.state, f.settled_ms, f.delivered_ms, f.read_ms, f.acknowledged_ms)
            for f in facts
            if len(f.delivery) > _RUN_BYTES
        ]
        shown = [
            (*_deliveries(f.delivery), f.delivered_ms, f.read_ms, f.acknowledged_ms)
            for f in facts
            if len(f.delivery) == _RUN_BYTES
        ]

        def update(connection: apsw.Connection) -> None:
            connection.executemany(self._sql["note"], deliveries)
            connection.executemany(self._sql["note_shown"], shown)

        await self._engine.write(update)

    async def of_runs(self, runs: Sequence[bytes]) -> Sequence[Watched]:
        """Find by run."""
        bindings = (bind_blobs(set(runs)),)
        return await self._engine.read(
            lambda c: self._watched(c, c.execute(self._sql["of_runs"], bindings))
        )

    async def of_recipients(self, recipients: Sequence[int]) -> Sequence[Watched]:
        """Find by recipient."""
        bindings = (bind_numbers(set(recipients)),)
        return await self._engine.read(
            lambda c: self._watched(c, c.execute(self._sql["of_recipients"], bindings))
        )

    async def unarmed(self, after: bytes, limit: int) -> Sequence[Watched]:
        """Find what nobody has armed."""
        return await self._engine.read(
            lambda c: self._watched(c, c.execute(self._sql["unarmed"], (after, limit)))
        )

    async def mark_armed(self, runs: Sequence[tuple[bytes, int]]) -> None:
        """Set the flag."""
        await self._engine.write(lambda c: c.executemany(self._sql["arm"], runs))

    def _watched(
        self, connection: apsw.Connection, rows: Iterable[tuple[bytes, int, bytes]]
    ) -> list[Watched]:
        waits = [msgspec.structs.replace(_decode(doc), armed=bool(armed)) for _, armed, doc in rows]
        wanted = bind_blobs({each for wait in waits for each in wait.watched})
        facts = {row[0]: Fact(*row) for row in _rows(connection, self._sql["facts"], wanted)}
        return [
            Watched(wait, [facts[each] for each in wait.watched if each in facts]) for wait in waits
        ]


def _rows(connection: apsw.Connection, sql: str, wanted: Any) -> Iterable[tuple[Any, ...]]:
    return connection.execute(sql, (wanted,))


def _deliveries(run: bytes) -> tuple[bytes, bytes]:
    """Return the lowest and the highest key of a run's deliveries."""
    return run + bytes(4), run + b"\xff\xff\xff\xff"
