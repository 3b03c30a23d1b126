"""API keys in SQLite. The secret is nowhere: the port hands over its hash only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sql import queries
from tocsin.ports.state import ApiKey

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(ApiKey).decode


class SqliteKeys:
    """Fills `tocsin.ports.state.Keys`. Kept in memory: one process owns the file."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._sql = queries("keys")
        self._known: Sequence[ApiKey] | None = None
        self._changes = 0

    async def add(self, key: ApiKey) -> None:
        """Add; a key whose id is there stays as it is."""
        await self._engine.execute(self._sql["add"], (key.id, _encode(key)))
        self._changed()

    async def all(self) -> Sequence[ApiKey]:
        """Return all, by id."""
        if self._known is not None:
            return self._known
        changes = self._changes
        found = await self._engine.read(self._read)
        if changes == self._changes:
            self._known = found
        return found

    async def revoke(self, id: str, now_ms: int) -> bool:
        """Revoke; the first time counts."""
        found = await self._engine.execute(self._sql["revoke"], (id, now_ms)) > 0
        self._changed()
        return found

    def _changed(self) -> None:
        # A read that is under way is older than this change, and must not be kept.
        self._changes += 1
        self._known = None

    def _read(self, connection: apsw.Connection) -> list[ApiKey]:
        return [
            key if revoked_ms is None else msgspec.structs.replace(key, revoked_ms=revoked_ms)
            for doc, revoked_ms in connection.execute(self._sql["all"])
            for key in (_decode(doc),)
        ]
