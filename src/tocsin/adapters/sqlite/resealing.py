"""Documents with sealed values, written anew in place: a slice of rows is a transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sql import queries
from tocsin.domain.recipient import Recipient
from tocsin.domain.status_webhook import StatusWebhook

RECIPIENTS_AT_ONCE: Final = 200
"""About 5 ms of the writer, if each has two addresses under an older key."""

_encode: Final = msgspec.msgpack.Encoder().encode
_recipient: Final = msgspec.msgpack.Decoder(Recipient).decode
_webhook: Final = msgspec.msgpack.Decoder(StatusWebhook).decode

Renew = Callable[[Recipient], Recipient]
Place = tuple[int, int]
"""A recipient's number and version."""


class Slice(msgspec.Struct, frozen=True):
    """What one transaction went through: where it ended, and what it wrote anew."""

    end: Place | None
    changed: list[Recipient]


def reseal_slice(
    connection: apsw.Connection, table: str, after: Place, renew: Renew, rows_max: int
) -> Slice:
    """Go through the rows behind *after*: of *table* ``current`` or ``versions``."""
    sql = queries("resealing")
    rows: list[tuple[int, int, bytes]] = list(connection.execute(sql[table], (*after, rows_max)))
    changed = []
    for _, _, doc in rows:
        before = _recipient(doc)
        after_it = renew(before)
        if after_it is not before:
            changed.append(after_it)
    connection.executemany(
        sql[f"write_{table}"], [(_encode(each), each.number, each.version) for each in changed]
    )
    return Slice((rows[-1][0], rows[-1][1]) if len(rows) == rows_max else None, changed)


class ResealRecipients:
    """Fills `tocsin.ports.sealing.Reseals`: first who they are now, then their old versions."""

    name = "recipients"

    def __init__(self, step: Callable[[str, Place, int], Awaitable[Slice]], rows_max: int) -> None:
        """*step* goes through one slice; what replaces a row there copies one that is renewed."""
        self._step = step
        self._rows_max = rows_max

    async def reseal(self) -> AsyncIterator[int]:
        """Go through all."""
        for table in ("current", "versions"):
            at: Place | None = (0, 0)
            while at is not None:
                done = await self._step(table, at, self._rows_max)
                at = done.end
                yield len(done.changed)


class ResealStatusWebhooks:
    """Fills `tocsin.ports.sealing.Reseals`: few rows, so one slice."""

    name = "status webhooks"

    def __init__(
        self, engine: StateEngine, renew: Callable[[StatusWebhook], StatusWebhook]
    ) -> None:
        self._engine = engine
        self._renew = renew

    async def reseal(self) -> AsyncIterator[int]:
        """Go through all."""
        yield await self._engine.write(self._all)

    def _all(self, connection: apsw.Connection) -> int:
        sql = queries("resealing")
        rows: list[tuple[Any, ...]] = connection.execute(sql["webhooks"]).fetchall()
        known = [_webhook(doc) for (doc,) in rows]
        renewed = [(one, self._renew(one)) for one in known]
        changed = [(_encode(after), after.key) for one, after in renewed if after is not one]
        connection.executemany(sql["write_webhook"], changed)
        return len(changed)
