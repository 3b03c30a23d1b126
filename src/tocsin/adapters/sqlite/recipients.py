"""Recipients in SQLite: documents by number and id, every version, and the sets they are in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import apsw
import msgspec

from tocsin.adapters.sqlite.addresses import AddressIndex
from tocsin.adapters.sqlite.engine import StateEngine, until_kept
from tocsin.adapters.sqlite.log_removal import overwriting
from tocsin.adapters.sqlite.newest import K, Newest
from tocsin.adapters.sqlite.resealing import (
    RECIPIENTS_AT_ONCE,
    Place,
    Renew,
    ResealRecipients,
    Slice,
    reseal_slice,
)
from tocsin.adapters.sqlite.run_tail import PendingAddition
from tocsin.adapters.sqlite.sets import EVERYONE, SetChanges
from tocsin.adapters.sqlite.sql import bind_numbers, bind_texts, queries
from tocsin.domain.fanout import SUPPRESSED_ADDRESS, set_keys
from tocsin.domain.recipient import Recipient
from tocsin.errors import Conflict, RequestRefused

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Recipient).decode


def _as_it_is(recipient: Recipient) -> Recipient:
    return recipient


class SqliteRecipients:
    """
    Fills `tocsin.ports.state.Recipients`: what was put is read at once, durable or not yet, where
    the log commits behind it.

    Dense numbers are given out in memory, since one process owns the file.
    """

    def __init__(
        self,
        engine: StateEngine,
        addresses: AddressIndex,
        *,
        newest_number: int,
        cache_size: int,
        alias: Callable[[str], str] | None,
        renew: Renew = _as_it_is,
    ) -> None:
        self._engine = engine
        self._addresses = addresses
        self._newest_number = newest_number
        self._newest = Newest(cache_size)
        self._turn = asyncio.Lock()
        self._alias = alias
        self._renew = renew
        self._leaving: dict[str, Recipient] = {}

    @classmethod
    async def open(
        cls,
        engine: StateEngine,
        addresses: AddressIndex,
        *,
        cache_size: int,
        alias: Callable[[str], str] | None = None,
        renew: Renew = _as_it_is,
    ) -> Self:
        """
        Read the counter; *cache_size* bounds the recipients that are kept decoded.

        *alias* returns what the name of whoever was erased under an id begins with. *renew*
        returns a recipient with all that is sealed under the newest key.
        """
        newest = await engine.read(lambda c: c.execute(queries("recipients")["counter"]).get)
        return cls(
            engine,
            addresses,
            newest_number=newest,
            cache_size=cache_size,
            alias=alias,
            renew=renew,
        )

    async def by_id(self, ids: Sequence[str]) -> Mapping[str, Recipient]:
        """Return those that exist, and for an id of somebody erased what is left of her."""
        found = await self._by_id(ids)
        if self._alias is None or len(found) == len(ids):
            return found
        return found | await self._erased([id for id in ids if id not in found])

    async def _by_id(self, ids: Sequence[str]) -> dict[str, Recipient]:
        return await self._find(
            ids, lambda missing: ("by_id", bind_texts(missing)), lambda recipient: recipient.id
        )

    async def _erased(self, ids: Sequence[str]) -> dict[str, Recipient]:
        assert self._alias is not None
        leaving = {id: self._leaving[id] for id in ids if id in self._leaving}
        aliases = {self._alias(id): id for id in ids if id not in leaving}
        table = bind_texts(aliases)
        rows = await self._engine.read(lambda c: _read(c, "erased", (table,)))
        # Of several who had the id one after the other, the last.
        for row in sorted(rows, key=lambda recipient: recipient.number):
            if row.erased:
                leaving[aliases[row.id[: row.id.rindex("-") + 1]]] = row
        return leaving

    async def by_number(self, numbers: Sequence[int]) -> Mapping[int, Recipient]:
        """Return those that exist."""
        return await self._find(
            numbers,
            lambda missing: ("by_number", bind_numbers(missing)),
            lambda recipient: recipient.number,
        )

    async def put(self, recipients: Sequence[Recipient]) -> Sequence[Recipient]:
        """
        Check and number on the loop; encode and write on the writer's thread.

        Where the log commits elsewhere, nobody is shown what is not durable: her plan might be,
        and name a number that comes to nothing.
        """
        ahead = self._engine.ordered_with_log
        async with self._turn:
            before = await self._before(recipients)
            # Made from what was read before another key came, it may lie under the older one.
            stored = [self._renew(recipient) for recipient in self._numbered(recipients)]
            addition = self._addresses.add(stored, before)
            queued = self._newest.queue(stored, before) if ahead else None

            leaving = {before[r.number].id: r for r in stored if r.erased and r.number in before}
            self._leaving.update(leaving)

            def settled(kept: bool) -> None:
                for id in leaving:
                    self._leaving.pop(id, None)
                if queued is not None:
                    self._newest.settle(queued, kept=kept)
                elif kept:
                    self._newest.settle(self._newest.queue(stored, before), kept=True)
                if addition is not None and not kept:
                    self._addresses.retract(addition)

            change = _Change(stored, before, self._addresses, addition)
            await until_kept(self._engine.queue_ahead(change.write, settled))
        return stored

    def reseals(self, rows_max: int = RECIPIENTS_AT_ONCE) -> ResealRecipients:
        """Return what seals anew, in place: no version is made of it."""
        return ResealRecipients(self._reseal, rows_max)

    async def _reseal(self, table: str, after: Place, rows_max: int) -> Slice:
        async with self._turn:
            done = await self._engine.write(
                lambda c: reseal_slice(c, table, after, self._renew, rows_max)
            )
            self._newest.drop(done.changed)
        return done

    async def durable(self) -> None:
        """Return when everything that was put before is durable."""
        await self._engine.writer.flush()

    async def version(self, number: int, version: int) -> Recipient | None:
        """Return one version."""
        return await self._one("version", (number, version))

    async def version_at(self, number: int, at_ms: int) -> Recipient | None:
        """Return the version that was current then."""
        return await self._one("version_at", (number, at_ms))

    async def page(self, after: str | None, limit: int) -> Sequence[Recipient]:
        """Return the next page by id."""
        return await self._engine.read(lambda c: _read(c, "page", (after or "", limit)))

    async def _one(self, query: str, bindings: tuple[Any, ...]) -> Recipient | None:
        found = await self._engine.read(lambda c: _read(c, query, bindings))
        return found[0] if found else None

    async def _find(
        self,
        keys: Collection[K],
        query: Callable[[Iterable[K]], tuple[str, object]],
        key_of: Callable[[Recipient], K],
    ) -> dict[K, Recipient]:
        found, missing = self._newest.find(keys)
        while missing:
            name, table = query(missing)
            reading = self._newest.begin()
            read: dict[K, Recipient] = {}
            try:
                rows = await self._engine.read(lambda c: _read(c, name, (table,)))  # noqa: B023  # runs before the next turn
                read = {key_of(recipient): recipient for recipient in rows}
            finally:
                found |= self._newest.end(reading, read)
            again = [key for key in missing if key in reading.overtaken]
            newer, missing = self._newest.find(again)
            found |= newer
        return found

    async def _before(self, recipients: Sequence[Recipient]) -> dict[int, Recipient]:
        """Return the stored versions by number, having checked that each may be replaced."""
        before = dict(await self.by_number([r.number for r in recipients if r.number]))
        new_ids = []
        for recipient in recipients:
            old = before.get(recipient.number)
            if recipient.version != (1 if old is None else old.version + 1) or (
                recipient.number and old is None
            ):
                raise Conflict("a recipient was changed by someone else meanwhile")
            if old is None or old.id != recipient.id:
                new_ids.append(_checked(recipient.id))
        distinct = {r.number or r.id for r in recipients}
        if len(distinct) < len(recipients) or await self._by_id(new_ids):
            raise Conflict("a recipient with this id is there already")
        return before

    def _numbered(self, recipients: Sequence[Recipient]) -> list[Recipient]:
        stored = []
        for recipient in recipients:
            if recipient.number:
                stored.append(recipient)
            else:
                self._newest_number += 1
                stored.append(msgspec.structs.replace(recipient, number=self._newest_number))
        return stored


@dataclass(frozen=True, slots=True)
class _Change:
    """One call of put, as it is written."""

    stored: Sequence[Recipient]
    before: Mapping[int, Recipient]
    addresses: AddressIndex
    addition: PendingAddition | None

    def write(self, connection: apsw.Connection) -> None:
        sql = queries("recipients")
        erased = [recipient.number for recipient in self.stored if recipient.erased]
        if erased:
            with overwriting(connection):
                connection.execute(sql["forget_versions"], (bind_numbers(erased),))
                self._put(connection, [n for n in self.before if n not in set(erased)])
        else:
            self._put(connection, self.before)
        newest = max((recipient.number for recipient in self.stored), default=0)
        connection.execute(sql["count"], (newest,))
        if self.addition is not None:
            self.addition(connection)
        self._set_changes().write(connection)

    def _put(self, connection: apsw.Connection, replaced: Iterable[int]) -> None:
        sql = queries("recipients")
        connection.execute(sql["keep_versions"], (bind_numbers(replaced),))
        unchanged = connection.total_changes()
        connection.executemany(sql["put"], [_row(recipient) for recipient in self.stored])
        if connection.total_changes() - unchanged != len(self.stored):
            raise Conflict("a recipient was changed by someone else meanwhile")

    def _set_changes(self) -> SetChanges:
        changes = SetChanges()
        for recipient in self.stored:
            old = self.before.get(recipient.number)
            changes.move(recipient.number, () if old is None else _sets(old), _sets(recipient))
            if self.addresses.likely([address.digest for address in recipient.addresses]):
                changes.add(SUPPRESSED_ADDRESS, recipient.number)
            elif old is not None and old.addresses:
                changes.remove(SUPPRESSED_ADDRESS, recipient.number)
        return changes


def _read(connection: apsw.Connection, query: str, bindings: tuple[Any, ...]) -> list[Recipient]:
    rows = connection.execute(queries("recipients")[query], bindings)
    return [_decode(doc) for (doc,) in rows]


def _row(recipient: Recipient) -> tuple[int, str, int, int, bytes]:
    return (
        recipient.number,
        recipient.id,
        recipient.version,
        recipient.changed_ms,
        _encode(recipient),
    )


def _sets(recipient: Recipient) -> frozenset[str]:
    keys = set_keys(recipient)
    return keys if recipient.erased else keys | {EVERYONE}


def _checked(id_: str) -> str:
    if "\0" in id_ or not id_:
        raise RequestRefused("an id of a recipient has at least one character and no NUL")
    return id_
