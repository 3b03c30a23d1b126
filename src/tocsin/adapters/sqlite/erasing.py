"""
What the views and the state store hold about one recipient, found and overwritten.

Each fills `tocsin.ports.keeping.Erases`. What is bounded by one person is done in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import apsw
import msgspec

from tocsin.adapters.sqlite.chunk import record as record_of
from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.forgetting_views import ViewFile
from tocsin.adapters.sqlite.inbox import SqliteInbox
from tocsin.adapters.sqlite.log_removal import LogRemoval, overwriting, rewrite
from tocsin.adapters.sqlite.sql import queries
from tocsin.adapters.sqlite.view_marks import CHUNK_NUMBERS
from tocsin.domain.erasure import bare_change, bare_item
from tocsin.domain.records import Item, Record, StateChange, decode, encode
from tocsin.domain.topics import STATES, STREAMS
from tocsin.ports.keeping import Leaver
from tocsin.ports.log import Place

_SLICE: Final = 1_000
_SCAN_ROWS: Final = 2_000

_decode: Final = msgspec.msgpack.Decoder(tuple[str, ...] | None).decode
_encode: Final = msgspec.msgpack.Encoder().encode


class EraseInbox:
    """Items, the places of which the index knows, and what was done with them."""

    name = "inbox"

    def __init__(self, inbox: SqliteInbox, file: ViewFile, log: LogRemoval, *, joint: bool) -> None:
        self._inbox = inbox
        self._file = file
        self._log = log
        self._joint = joint

    async def erase(self, leaver: Leaver) -> int:
        """Overwrite texts in the log and, where the views are apart, in their own rows."""
        done = 0
        entries = await self._inbox.entries(leaver.number)
        for first in range(0, len(entries), _SLICE):
            places = [
                (STREAMS[e.stream], e.partition, e.position)
                for e in entries[first : first + _SLICE]
            ]
            held = await self._file.read(lambda c: self._held(c, places, leaver))  # noqa: B023  # runs before the next turn
            overwritten = await self._log.overwrite(held)
            if not self._joint:
                overwritten = await self._file.write(lambda c: _rewrite(c, held))  # noqa: B023  # as above
            done += overwritten
        return done + await self._changes(leaver)

    def _held(
        self, connection: apsw.Connection, places: Sequence[Place], leaver: Leaver
    ) -> dict[Place, Record]:
        found: dict[Place, Record] = {}
        for topic, partition, position in places:
            row = self._inbox.bodies(connection, topic, partition, position)
            if row is None:
                continue
            item = decode(record_of(row[1], position - row[0]))
            if isinstance(item, Item) and item.recipient == leaver.number:
                found[topic, partition, position] = bare_item(item, leaver.name)
        return found

    async def _changes(self, leaver: Leaver) -> int:
        sql = queries("erasing")
        rows: list[tuple[Any, ...]] = await self._file.read(
            lambda c: c.execute(sql["changes"], (leaver.number,)).fetchall()
        )
        places: dict[Place, Record] = {}
        partition = self._inbox.partition_of(STATES, leaver.number)
        for position, body in rows:
            record = decode(body)
            if isinstance(record, StateChange):
                places[STATES, partition, position] = bare_change(record, leaver.name)
        await self._log.overwrite(places)

        def delete(connection: apsw.Connection) -> int:
            before = connection.total_changes()
            with overwriting(connection):
                for statement in ("delete_changes", "delete_states", "delete_sweeps"):
                    connection.execute(sql[statement], (leaver.number,))
            return connection.total_changes() - before

        return await self._file.write(delete)


def _rewrite(connection: apsw.Connection, held: dict[Place, Record]) -> int:
    by_rows: dict[tuple[str, int], dict[int, bytes]] = {}
    for (topic, partition, position), record in held.items():
        by_rows.setdefault((topic, partition), {})[position] = encode(record)
    return sum(
        rewrite(connection, "inbox_chunk", CHUNK_NUMBERS[topic], partition, bodies)
        for (topic, partition), bodies in by_rows.items()
    )


class EraseAudiences:
    """Memberships and subscriptions: ended ones, too, since their conditions are hers."""

    name = "audiences"

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    async def erase(self, leaver: Leaver) -> int:
        """Delete them, and count groups anew."""
        sql = queries("erasing")

        def delete(connection: apsw.Connection) -> int:
            before = connection.total_changes()
            with overwriting(connection):
                connection.execute(sql["count_groups"], (leaver.number,))
                counted = connection.total_changes() - before
                connection.execute(sql["delete_memberships"], (leaver.number,))
                connection.execute(sql["delete_subscriptions"], (leaver.number,))
            return connection.total_changes() - before - counted

        return await self._engine.write(delete)


class EraseTombstones:
    """Cancels that name her: of those that name others, too, her name alone goes."""

    name = "cancels"

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    async def erase(self, leaver: Leaver) -> int:
        """Walk all that are kept; they end within days."""
        sql = queries("erasing")
        rows: list[tuple[Any, ...]] = await self._engine.read(
            lambda c: c.execute(sql["tombstones"]).fetchall()
        )
        mine = [row for row in rows if leaver.id in (_decode(row[2]) or ())]

        def write(connection: apsw.Connection) -> int:
            with overwriting(connection):
                for key, at_ms, recipients, until_ms in mine:
                    others = tuple(each for each in _decode(recipients) or () if each != leaver.id)
                    connection.execute(sql["delete_tombstone"], (key, at_ms, recipients))
                    if others:
                        row = (key, at_ms, _encode(others), until_ms)
                        connection.execute(sql["put_tombstone"], row)
            return len(mine)

        return await self._engine.write(write)


class EraseAnswers:
    """Stored answers to requests that name her."""

    name = "answers"

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    async def erase(self, leaver: Leaver) -> int:
        """Walk the answers of a day."""
        sql = queries("erasing")
        at: tuple[str, str] = ("", "")
        done = 0
        while True:
            rows: list[tuple[Any, ...]] = await self._engine.read(
                lambda c: c.execute(sql["answers"], (*at, _SCAN_ROWS)).fetchall()  # noqa: B023  # runs before the next turn
            )
            mine = [row[:2] for row in rows if leaver.id.encode() in (row[2] or b"")]
            if mine:
                await self._engine.write(_deleting(sql["delete_answer"], mine))
                done += len(mine)
            if len(rows) < _SCAN_ROWS:
                return done
            at = rows[-1][:2]


def _deleting(statement: str, keys: Sequence[tuple[Any, ...]]) -> Callable[[apsw.Connection], None]:
    def delete(connection: apsw.Connection) -> None:
        with overwriting(connection):
            connection.executemany(statement, keys)

    return delete
