"""Idempotency keys in SQLite: one row per key, and the answer that was given."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sql import queries
from tocsin.errors import Conflict, RequestRefused
from tocsin.ports.state import StoredAnswer

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(StoredAnswer).decode

KEPT_MS: Final = 86_400_000
RUNNING_MS: Final = 60_000

# Rows removed with each new key: more than one, so that what has expired never piles up.
_EXPIRED_AT_ONCE: Final = 4


class SqliteIdempotency:
    """Fills `tocsin.ports.state.Idempotency`. Expired keys go with the arrival of new ones."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._sql = queries("idempotency")

    async def begin(
        self, scope: str, key: str, fingerprint: bytes, now_ms: int
    ) -> StoredAnswer | None:
        """Take the key, or return what was answered."""

        def take(connection: apsw.Connection) -> StoredAnswer | None:
            connection.execute(self._sql["expire"], (now_ms - KEPT_MS, _EXPIRED_AT_ONCE))
            row = connection.execute(self._sql["get"], (scope, key)).get
            if row is not None and row[1] >= now_ms - KEPT_MS:
                answer = _standing(row, fingerprint, now_ms)
                if answer is not None:
                    return answer
            connection.execute(self._sql["begin"], (scope, key, fingerprint, now_ms))
            return None

        return await self._engine.write(take)

    async def finish(self, scope: str, key: str, answer: StoredAnswer, now_ms: int) -> None:
        """Store the answer."""
        await self._engine.execute(self._sql["finish"], (_encode(answer), scope, key))

    async def forget(self, scope: str, key: str) -> None:
        """Give back a key that has no answer."""
        await self._engine.execute(self._sql["forget"], (scope, key))


def _standing(
    row: tuple[bytes, int, bytes | None], fingerprint: bytes, now_ms: int
) -> StoredAnswer | None:
    """Return the stored answer, or None when the key may be taken over."""
    stored, begun_ms, answer = row
    if stored != fingerprint:
        raise RequestRefused(
            "this Idempotency-Key was used for another request; take a new one",
            code="idempotency_key_reused",
        )
    if answer is not None:
        return _decode(answer)
    if now_ms < begun_ms + RUNNING_MS:
        raise Conflict("a request with this Idempotency-Key is still running; repeat it later")
    return None
