"""The audit trail in SQLite, each entry's hash made of its own bytes and the hash before."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sql import queries
from tocsin.ports.state import Change

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Change).decode

_SLICE: Final = 500

_FIRST_HASH: Final = bytes(32)


class SqliteTrail:
    """
    Fills `tocsin.ports.state.Trail`.

    The head of the chain has a row of its own, so that entries that are cut off at the end are
    missed, too.
    """

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._sql = queries("trail")

    async def add(self, changes: Sequence[Change]) -> None:
        """Append behind the head."""

        def append(connection: apsw.Connection) -> None:
            number, digest = connection.execute(self._sql["head"]).get
            for change in changes:
                number += 1
                body = _encode(change)
                digest = _link(digest, number, body)
                row = (number, change.at_ms, body, digest)
                connection.execute(self._sql["add"], row)
            connection.execute(self._sql["move_head"], (number, digest))

        await self._engine.write(append)

    async def entries(self, since_ms: int) -> AsyncIterator[Change]:
        """Read in slices, so that no snapshot stays open between them."""
        number = 0
        while True:
            of = (number, since_ms, _SLICE)
            rows = await self._engine.read(lambda c: list(c.execute(self._sql["since"], of)))  # noqa: B023  # runs before the next turn
            for _, body in rows:
                yield _decode(body)
            if len(rows) < _SLICE:
                return
            number = rows[-1][0]

    async def verify(self) -> int | None:
        """Follow the chain from the first entry to the head."""
        number, digest = 0, _FIRST_HASH
        end, head = await self._engine.read(lambda c: c.execute(self._sql["head"]).get)
        while number < end:
            of = (number, min(_SLICE, end - number))
            rows = await self._engine.read(lambda c: list(c.execute(self._sql["links"], of)))  # noqa: B023  # runs before the next turn
            if not rows:
                return number + 1
            for found, body, stored in rows:
                number += 1
                digest = _link(digest, number, body)
                if found != number or stored != digest:
                    return number
        return None if digest == head else number


def _link(before: bytes, number: int, body: bytes) -> bytes:
    return hashlib.sha256(before + number.to_bytes(8, "big") + body).digest()
