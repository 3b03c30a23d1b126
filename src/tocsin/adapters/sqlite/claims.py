"""Claims of deliveries and tombstones of cancels in SQLite: compare-and-set on one writer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sql import bind_blobs, bind_numbers, bind_texts, queries
from tocsin.domain.ids import recipient_of
from tocsin.errors import NotFound
from tocsin.ports.state import Claim, Tombstone

_Recipients = tuple[str, ...] | None

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Recipients).decode

_EXPIRED_AT_ONCE: Final = 16


class SqliteClaims:
    """
    Fills `tocsin.ports.state.Claims`.

    Every method that answers what stands runs on the writer, one after the other, so the answer
    is the truth at that point. A tombstone goes when another one is put after its end.
    """

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._sql = queries("claims")

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """Insert where absent; return what stands."""

        def insert(connection: apsw.Connection) -> list[Claim]:
            caught = self._caught(connection, [c for c in claims if c.cancellation_key])
            rows = [_cancelled(claim) if claim in caught else claim for claim in claims]
            connection.executemany(self._sql["insert"], map(msgspec.structs.astuple, rows))
            standing = self._get(connection, [claim.delivery for claim in claims])
            return [standing[claim.delivery] for claim in claims]

        return await self._engine.write(insert)

    async def swap(self, old: Claim, new: Claim) -> Claim:
        """Replace if it stands; return what stands."""
        (standing,) = await self.swap_many([(old, new)])
        if standing is None:
            raise NotFound("nobody has claimed this delivery")
        return standing

    async def swap_many(self, pairs: Sequence[tuple[Claim, Claim]]) -> Sequence[Claim | None]:
        """Replace those that stand; return what stands, in one transaction."""
        rows = [
            (*(new.holder, new.state, new.epoch, new.at_ms), old.delivery, *_stand(old))
            for old, new in pairs
        ]
        deliveries = [old.delivery for old, _ in pairs]

        def replace(connection: apsw.Connection) -> list[Claim | None]:
            connection.executemany(self._sql["swap"], rows)
            standing = self._get(connection, deliveries)
            return [standing.get(delivery) for delivery in deliveries]

        return await self._engine.write(replace)

    async def by_cancellation_key(self, key: str) -> Sequence[Claim]:
        """Return the rows under the key."""
        return await self._engine.read(
            lambda c: [Claim(*row) for row in c.execute(self._sql["by_cancellation_key"], (key,))]
        )

    async def put_tombstone(self, tombstone: Tombstone) -> None:
        """Write it, and let some go that have ended."""
        row = (tombstone.key, tombstone.at_ms, _encode(tombstone.recipients), tombstone.until_ms)

        def put(connection: apsw.Connection) -> None:
            ended = (tombstone.at_ms, _EXPIRED_AT_ONCE)
            connection.execute(self._sql["expire_tombstones"], ended)
            connection.execute(self._sql["put_tombstone"], row)

        await self._engine.write(put)

    async def tombstones(
        self, keys: Sequence[str], now_ms: int
    ) -> Mapping[str, Sequence[Tombstone]]:
        """Return those that have not ended."""

        return await self._engine.read(lambda c: self._tombstones(c, keys, now_ms))

    def _get(self, connection: apsw.Connection, deliveries: Sequence[bytes]) -> dict[bytes, Claim]:
        rows = connection.execute(self._sql["get"], (bind_blobs(deliveries),))
        return {row[0]: Claim(*row) for row in rows}

    def _tombstones(
        self, connection: apsw.Connection, keys: Iterable[str], now_ms: int
    ) -> dict[str, list[Tombstone]]:
        found: defaultdict[str, list[Tombstone]] = defaultdict(list)
        rows = connection.execute(self._sql["tombstones"], (bind_texts(set(keys)), now_ms))
        for key, recipients, at_ms, until_ms in rows:
            found[key].append(Tombstone(key, _decode(recipients), at_ms, until_ms))
        return dict(found)

    def _caught(self, connection: apsw.Connection, claims: Sequence[Claim]) -> set[Claim]:
        keys = [claim.cancellation_key or "" for claim in claims]
        earliest_ms = min((claim.at_ms for claim in claims), default=0)
        tombstones = self._tombstones(connection, keys, earliest_ms)
        likely = [claim for claim in claims if claim.cancellation_key in tombstones]
        ids = self._recipient_ids(connection, likely)
        return {
            claim
            for claim in likely
            for tombstone in tombstones[claim.cancellation_key or ""]
            if tombstone.until_ms >= claim.at_ms
            and tombstone.catches(claim.event_ms, ids.get(_recipient(claim)))
        }

    def _recipient_ids(
        self, connection: apsw.Connection, claims: Sequence[Claim]
    ) -> dict[int, str]:
        wanted = bind_numbers({_recipient(claim) for claim in claims})
        return dict(connection.execute(self._sql["recipient_ids"], (wanted,)))


def _stand(claim: Claim) -> tuple[str, str, int]:
    return claim.holder, claim.state, claim.epoch


def _recipient(claim: Claim) -> int:
    return recipient_of(claim.delivery)


def _cancelled(claim: Claim) -> Claim:
    return msgspec.structs.replace(claim, holder="cancel", state="cancelled")
