"""Fan-outs in SQLite: what never changes as a document, what does as columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine, until_kept
from tocsin.adapters.sqlite.sql import queries
from tocsin.ports.state import Fanout

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Fanout).decode


class SqliteFanouts:
    """Fills `tocsin.ports.state.Fanouts`."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._sql = queries("fanouts")
        self._tells: list[Callable[[], None]] = []

    def on_change(self, tell: Callable[[], None]) -> None:
        """Call *tell* after each change; nobody else changes rows here."""
        self._tells.append(tell)

    async def claim_create(self, fanouts: Sequence[Fanout]) -> None:
        """Insert where absent."""
        rows = [_row(fanout) for fanout in fanouts]
        waiting = self._engine.queue_ahead(
            lambda c: c.executemany(self._sql["create"], rows), self._changed
        )
        await until_kept(waiting)

    async def get(self, key: bytes) -> Fanout | None:
        """Return one."""
        found = await self._engine.read(lambda c: self._read(c, "get", key))
        return found[0] if found else None

    async def running(self, lane: str) -> Sequence[Fanout]:
        """Return what runs, oldest first."""
        return await self._engine.read(lambda c: self._read(c, "running", lane))

    async def claim_advance(self, key: bytes, *, cursor: int, decided: int, done: bool) -> None:
        """Move forward."""
        values = (key, cursor, decided, done)
        await self._engine.write_ahead(lambda c: c.execute(self._sql["advance"], values))

    async def set_state(self, key: bytes, state: str, reason: str, now_ms: int) -> Fanout | None:
        """Change a row that is not finished; return the row."""

        def change(connection: apsw.Connection) -> Fanout | None:
            connection.execute(self._sql["set_state"], (key, state, reason, now_ms))
            found = self._read(connection, "get", key)
            return found[0] if found else None

        changed = await self._engine.write(change)
        self._changed(kept=True)
        return changed

    async def of_event(self, event: bytes) -> Sequence[Fanout]:
        """Return the fan-outs of one event."""
        return await self._engine.read(lambda c: self._read(c, "of_event", event))

    def _changed(self, kept: bool) -> None:
        if kept:
            for tell in self._tells:
                tell()

    def _read(self, connection: apsw.Connection, query: str, of: Any) -> list[Fanout]:
        return [
            msgspec.structs.replace(
                _decode(doc),
                cursor=cursor,
                decided=decided,
                state=state,
                reason=reason,
                changed_ms=changed_ms,
            )
            for doc, cursor, decided, state, reason, changed_ms in connection.execute(
                self._sql[query], (of,)
            )
        ]


def _row(fanout: Fanout) -> tuple[Any, ...]:
    return (
        fanout.key,
        fanout.event,
        fanout.lane,
        fanout.created_ms,
        _encode(fanout),
        fanout.cursor,
        fanout.decided,
        fanout.state,
        fanout.reason,
        fanout.changed_ms,
    )
