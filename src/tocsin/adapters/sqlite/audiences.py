"""Groups and object subscriptions in SQLite, as intervals; and the sets of recipients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import apsw
import msgspec
from pyroaring import BitMap

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sets import EVERYONE, read_block, read_whole
from tocsin.adapters.sqlite.sql import bind_numbers, queries
from tocsin.domain.audience import Subscription
from tocsin.errors import NotFound

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Subscription).decode


class SqliteAudiences:
    """Fills `tocsin.ports.state.Audiences`. What ended keeps its interval, for ``explain``."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._sql = queries("audiences")

    async def put_group(self, key: str, name: str | None, now_ms: int) -> None:
        """Create, rename, or begin anew what was deleted."""
        await self._engine.execute(self._sql["put_group"], (key, name, now_ms))

    async def group(self, key: str) -> tuple[str, str | None, int] | None:
        """Return (key, name, members)."""
        return await self._engine.read(lambda c: c.execute(self._sql["group"], (key,)).get)

    async def delete_group(self, key: str, now_ms: int) -> bool:
        """End the group and all memberships."""

        def delete(connection: apsw.Connection) -> bool:
            number = connection.execute(self._sql["group_number"], (key,)).get
            if number is None:
                return False
            connection.execute(self._sql["end_memberships"], (number, now_ms))
            connection.execute(self._sql["delete_group"], (number, now_ms))
            return True

        return await self._engine.write(delete)

    async def change_members(
        self, key: str, *, add: Sequence[int], remove: Sequence[int], now_ms: int
    ) -> tuple[int, int]:
        """Let *remove* leave, then *add* join."""

        def change(connection: apsw.Connection) -> tuple[int, int]:
            number = connection.execute(self._sql["group_number"], (key,)).get
            if number is None:
                raise NotFound("there is no group with this key")
            connection.execute(self._sql["leave"], (number, bind_numbers(remove), now_ms))
            left = connection.changes()
            connection.execute(self._sql["join"], (number, bind_numbers(set(add)), now_ms))
            joined = connection.changes()
            connection.execute(self._sql["count_members"], (number, joined - left, now_ms))
            return joined, left

        return await self._engine.write(change)

    async def members(self, key: str, *, after: int, limit: int) -> Sequence[int]:
        """Return the next members by number."""
        return await self._engine.read(
            lambda c: [n for (n,) in c.execute(self._sql["members"], (key, after, limit))]
        )

    async def members_at(self, key: str, at_ms: int, numbers: Sequence[int]) -> set[int]:
        """Return who of *numbers* was a member then, also of a group that is gone."""
        bindings = (key, bind_numbers(numbers), at_ms)
        return await self._engine.read(
            lambda c: {n for (n,) in c.execute(self._sql["members_at"], bindings)}
        )

    async def subscribe(self, subscription: Subscription, now_ms: int) -> None:
        """End the subscription that it replaces, and begin this one."""
        of = (subscription.collection, subscription.object_id, subscription.recipient)

        def write(connection: apsw.Connection) -> None:
            connection.execute(self._sql["end_subscription"], (*of, now_ms))
            row = (*of, now_ms, _encode(subscription))
            connection.execute(self._sql["subscribe"], row)

        await self._engine.write(write)

    async def unsubscribe(
        self, collection: str, object_id: str, recipient: int, now_ms: int
    ) -> bool:
        """End it."""
        of = (collection, object_id, recipient, now_ms)
        return await self._engine.execute(self._sql["end_subscription"], of) > 0

    async def subscribers(self, collection: str, object_id: str) -> Sequence[Subscription]:
        """Return the present subscriptions of an object."""
        return await self._subscriptions("subscribers", (collection, object_id))

    async def subscribers_at(
        self, collection: str, object_id: str, at_ms: int
    ) -> Sequence[Subscription]:
        """Return the subscriptions of an object at a time."""
        return await self._subscriptions("subscribers_at", (collection, object_id, at_ms))

    async def everyone(self) -> BitMap:
        """Return all that exist."""
        return await self._engine.read(lambda c: read_whole(c, EVERYONE))

    async def sets(self, keys: Sequence[str], block: int) -> Mapping[str, BitMap]:
        """Return one block of the named sets."""
        return await self._engine.read(lambda c: read_block(c, keys, block))

    async def _subscriptions(self, query: str, of: tuple[Any, ...]) -> Sequence[Subscription]:
        def read(connection: apsw.Connection) -> list[Subscription]:
            return [
                msgspec.structs.replace(_decode(doc), from_ms=from_ms, until_ms=until_ms)
                for from_ms, until_ms, doc in connection.execute(self._sql[query], of)
            ]

        return await self._engine.read(read)
