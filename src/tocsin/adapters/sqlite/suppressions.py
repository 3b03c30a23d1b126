"""The suppression list in SQLite, with filters in memory for the many whom it does not concern."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Self

import apsw
import msgspec
from pyroaring import BitMap

from tocsin.adapters.sqlite.addresses import AddressIndex
from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sets import SetChanges
from tocsin.adapters.sqlite.sql import bind_blobs, bind_numbers, queries
from tocsin.domain.fanout import SUPPRESSED_ADDRESS, suppression_key
from tocsin.ports.state import Lifted, Suppression

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Suppression).decode


class SqliteSuppressions:
    """
    Fills `tocsin.ports.state.Suppressions`.

    Filters in memory say "certainly not" for nearly everyone, so nearly no batch of recipients
    costs a query. They only grow while the process runs; what was removed costs one for nothing.
    """

    def __init__(self, engine: StateEngine, addresses: AddressIndex, recipients: BitMap) -> None:
        self._engine = engine
        self._addresses = addresses
        self._recipients = recipients
        self._sql = queries("suppressions")

    @classmethod
    async def open(cls, engine: StateEngine, addresses: AddressIndex) -> Self:
        """Read the filter of recipients; that of digests is in *addresses*."""
        return cls(engine, addresses, await engine.read(_listed))

    async def add(self, entries: Sequence[Suppression]) -> None:
        """Add or replace, and keep the sets in step."""

        rows = [(e.id, e.recipient, e.digest, _encode(e)) for e in entries]
        numbers = {e.recipient for e in entries if e.recipient is not None}
        digests = [e.digest for e in entries if e.digest is not None]
        self._recipients.update(numbers)
        self._addresses.suppress(digests)
        holders = await self._addresses.holders(digests)

        def write(connection: apsw.Connection) -> None:
            concerned = numbers | self._recipients_of(connection, [e.id for e in entries])
            before = self._keys(connection, concerned)
            connection.executemany(self._sql["put"], rows)
            self._move(connection, before, holders)

        await self._engine.write(write)

    async def remove(self, id: str) -> bool:
        """Remove one entry."""

        return await self._engine.write(lambda connection: self._delete(connection, id))

    async def lift(self, lifted: Sequence[Lifted]) -> None:
        """Remove entries and put down when, in one write."""

        def write(connection: apsw.Connection) -> None:
            for each in lifted:
                self._delete(connection, each.id)
            rows = [(each.id, each.at_ms, each.said_in) for each in lifted]
            connection.executemany(self._sql["put_lifted"], rows)

        if lifted:
            await self._engine.write(write)

    async def lifted(self, ids: Sequence[str]) -> Mapping[str, Lifted]:
        """Return them by id."""

        def read(connection: apsw.Connection) -> dict[str, Lifted]:
            rows = [row for id in ids for row in connection.execute(self._sql["lifted"], (id,))]
            return {id: Lifted(id, at_ms, said_in) for id, at_ms, said_in in rows}

        return await self._engine.read(read) if ids else {}

    async def page(self, after: str | None, limit: int) -> Sequence[Suppression]:
        """Return the next page by id."""
        return await self._engine.read(lambda c: self._entries(c, "page", after or "", limit))

    async def matching(
        self, numbers: Sequence[int], digests: Sequence[bytes]
    ) -> Sequence[Suppression]:
        """Return what concerns them; a query only when a filter says that there may be some."""
        likely_numbers = self._recipients & BitMap(numbers)
        likely_digests = self._addresses.likely(digests)
        if not likely_numbers and not likely_digests:
            return []

        def read(connection: apsw.Connection) -> list[Suppression]:
            found = self._entries(connection, "of_recipients", bind_numbers(likely_numbers))
            found += self._entries(connection, "of_digests", bind_blobs(likely_digests))
            return list({entry.id: entry for entry in found}.values())

        return await self._engine.read(read)

    def _entries(
        self, connection: apsw.Connection, query: str, *bindings: Any
    ) -> list[Suppression]:
        return [_decode(doc) for (doc,) in connection.execute(self._sql[query], bindings)]

    def _delete(self, connection: apsw.Connection, id: str) -> bool:
        before = self._keys(connection, self._recipients_of(connection, [id]))
        connection.execute(self._sql["delete"], (id,))
        found = connection.changes() > 0
        self._move(connection, before)
        return found

    def _recipients_of(self, connection: apsw.Connection, ids: Iterable[str]) -> set[int]:
        stored = [entry for id_ in ids for entry in self._entries(connection, "get", id_)]
        return {entry.recipient for entry in stored if entry.recipient is not None}

    def _keys(self, connection: apsw.Connection, numbers: Collection[int]) -> dict[int, set[str]]:
        keys: dict[int, set[str]] = {number: set() for number in numbers}
        for entry in self._entries(connection, "of_recipients", bind_numbers(numbers)):
            if entry.recipient is not None:
                keys[entry.recipient].add(suppression_key(entry.channel))
        return keys

    def _move(
        self,
        connection: apsw.Connection,
        before: Mapping[int, set[str]],
        holders: Iterable[int] = (),
    ) -> None:
        after = self._keys(connection, before.keys())
        changes = SetChanges()
        for number, keys in before.items():
            changes.move(number, keys, after[number])
        for number in holders:
            changes.add(SUPPRESSED_ADDRESS, number)
        changes.write(connection)


def _listed(connection: apsw.Connection) -> BitMap:
    rows = connection.execute(queries("suppressions")["all_recipients"])
    return BitMap([number for (number,) in rows])
