"""Status webhooks in SQLite: a row for each endpoint, with how far it was told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sql import queries
from tocsin.domain.status_webhook import StatusWebhook, Told

_encode: Final = msgspec.msgpack.Encoder().encode
_webhook: Final = msgspec.msgpack.Decoder(StatusWebhook).decode
_told: Final = msgspec.msgpack.Decoder(Told).decode


class SqliteStatusWebhooks:
    """Fills `tocsin.ports.state.StatusWebhooks`."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._sql = queries("status_webhooks")
        self._tells: list[Callable[[], None]] = []

    def on_change(self, tell: Callable[[], None]) -> None:
        """Call *tell* after each change; nobody else changes rows here."""
        self._tells.append(tell)

    async def put(self, webhook: StatusWebhook, told: Told) -> None:
        """Store."""
        row = (webhook.key, webhook.version, webhook.disabled_ms, _encode(webhook), _encode(told))
        await self._engine.execute(self._sql["put"], row)
        self._changed()

    async def all(self) -> Sequence[StatusWebhook]:
        """Return all."""
        return await self._engine.read(self._all)

    async def delete(self, key: str) -> bool:
        """Remove."""
        found = await self._engine.execute(self._sql["delete"], (key,)) > 0
        self._changed()
        return found

    async def disable(self, key: str, version: int, now_ms: int) -> bool:
        """Give up."""
        found = await self._engine.execute(self._sql["disable"], (key, version, now_ms)) > 0
        self._changed()
        return found

    async def told(self, key: str) -> Told | None:
        """Return how far."""

        def read(connection: apsw.Connection) -> Told | None:
            row = connection.execute(self._sql["told"], (key,)).fetchone()
            return None if row is None else _told(row[0])

        return await self._engine.read(read)

    async def tell(self, key: str, told: Told) -> None:
        """Store how far."""
        await self._engine.execute(self._sql["tell"], (key, _encode(told)))

    def _all(self, connection: apsw.Connection) -> list[StatusWebhook]:
        return [
            msgspec.structs.replace(_webhook(doc), disabled_ms=disabled_ms)
            for doc, disabled_ms in connection.execute(self._sql["all"])
        ]

    def _changed(self) -> None:
        for tell in self._tells:
            tell()
