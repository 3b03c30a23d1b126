"""Pauses in SQLite. What they parked are timers, listed beside them by triggers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sql import bind_texts, queries
from tocsin.domain.pauses import Pause
from tocsin.ports.state import Timer

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Pause).decode

_Row = tuple[bytes, int | None, str]


class SqlitePauses:
    """Fills `tocsin.ports.state.PauseRows`."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._sql = queries("pauses")
        self._tells: list[Callable[[], None]] = []

    def on_change(self, tell: Callable[[], None]) -> None:
        """Call *tell* after each change; nobody else changes rows here."""
        self._tells.append(tell)

    async def add(self, pause: Pause) -> None:
        """Add."""
        await self._engine.execute(self._sql["add"], (pause.id, pause.at_ms, _encode(pause)))
        self._changed()

    async def end(self, id: str, by: str, now_ms: int) -> Pause | None:
        """End and return it; the first time counts."""

        def end(connection: apsw.Connection) -> Pause | None:
            connection.execute(self._sql["end"], (id, now_ms, by))
            if not connection.changes():
                return None
            return _read(connection.execute(self._sql["get"], (bind_texts({id}),)))[0]

        ended = await self._engine.write(end)
        self._changed()
        return ended

    async def in_force(self) -> Sequence[Pause]:
        """Return what has not ended."""
        return await self._engine.read(lambda c: _read(c.execute(self._sql["in_force"])))

    async def get(self, ids: Collection[str]) -> Sequence[Pause]:
        """Return those that exist."""
        bindings = (bind_texts(set(ids)),)
        return await self._engine.read(lambda c: _read(c.execute(self._sql["get"], bindings)))

    async def queues(self) -> Sequence[str]:
        """Return what is not empty: one step in the index for each queue."""
        return await self._engine.read(
            lambda c: [str(queue) for (queue,) in c.execute(self._sql["queues"])]
        )

    async def parked(self, queue: str, limit: int) -> Sequence[Timer]:
        """Return the first."""
        return await self._engine.read(
            lambda c: [Timer(*row) for row in c.execute(self._sql["parked"], (queue, limit))]
        )

    async def count(self, queue: str, limit: int) -> int:
        """Count."""
        return await self._engine.read(
            lambda c: int(c.execute(self._sql["count"], (queue, limit)).get)
        )

    def _changed(self) -> None:
        for tell in self._tells:
            tell()


def _read(rows: Iterable[_Row]) -> list[Pause]:
    return [
        msgspec.structs.replace(_decode(doc), ended_ms=ended_ms, ended_by=ended_by)
        for doc, ended_ms, ended_by in rows
    ]
