"""Erasures in SQLite: one row each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.log_removal import overwriting
from tocsin.adapters.sqlite.sql import queries
from tocsin.ports.state import Erasure

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Erasure).decode


class SqliteErasures:
    """Fills `tocsin.ports.state.Erasures`."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._sql = queries("erasures")

    async def put(self, erasure: Erasure) -> None:
        """Write; the id that the row before held is overwritten."""
        row = (
            erasure.id,
            erasure.digest,
            erasure.recipient,
            erasure.begun_ms,
            erasure.done_ms,
            _encode(erasure),
        )

        def write(connection: apsw.Connection) -> None:
            with overwriting(connection):
                connection.execute(self._sql["put"], row)

        await self._engine.write(write)

    async def get(self, id: bytes) -> Erasure | None:
        """Return one."""
        found = await self._read("get", (id,))
        return found[0] if found else None

    async def running(self) -> Sequence[Erasure]:
        """Return those that are not done."""
        return await self._read("running", ())

    async def of_digest(self, digest: bytes) -> Sequence[Erasure]:
        """Return those of one id."""
        return await self._read("of_digest", (digest,))

    async def numbers(self) -> Sequence[int]:
        """Return everybody's number."""
        return await self._engine.read(
            lambda c: [number for (number,) in c.execute(self._sql["numbers"])]
        )

    async def _read(self, query: str, bindings: tuple[Any, ...]) -> list[Erasure]:
        return await self._engine.read(
            lambda c: [_decode(doc) for (doc,) in c.execute(self._sql[query], bindings)]
        )
