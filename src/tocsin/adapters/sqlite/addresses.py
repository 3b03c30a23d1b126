"""Who has which address, by its digest; and which digests are on the suppression list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self

import apsw
from pyroaring import BitMap

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.run_tables import key_prefixes
from tocsin.adapters.sqlite.run_tail import PendingAddition
from tocsin.adapters.sqlite.runs import IndexRuns
from tocsin.adapters.sqlite.sql import queries
from tocsin.domain.recipient import Recipient

_DIGEST_BYTES: Final = 16
_NUMBER_BYTES: Final = 4


class AddressIndex:
    """
    What keeps the set `tocsin.domain.fanout.SUPPRESSED_ADDRESS` right, whichever came first.

    A put asks the filter of suppressed digests; an entry of the suppression list goes into the
    filter first and then asks who has the address. Both may name too many: a digest that shares
    four bytes, or an address that someone had. The set says whom to look at one by one, so too
    many are only slower.
    """

    def __init__(self, entries: IndexRuns, suppressed: BitMap) -> None:
        self._entries = entries
        self._suppressed = suppressed

    @classmethod
    async def open(cls, engine: StateEngine) -> Self:
        """Make the tables ``address_…`` and load what the first answer takes."""
        entries = IndexRuns(
            "address",
            entry_bytes=_DIGEST_BYTES + _NUMBER_BYTES,
            key_bytes=_DIGEST_BYTES,
            readers=engine.readers,
            writer=engine.writer,
        )
        await engine.write(entries.create)
        await engine.read(entries.load)
        return cls(entries, await engine.read(_suppressed))

    def add(
        self, stored: Sequence[Recipient], before: Mapping[int, Recipient]
    ) -> PendingAddition | None:
        """Show the addresses that are new; the result makes them durable."""
        entries = []
        for recipient in stored:
            old = before.get(recipient.number)
            had = {address.digest for address in old.addresses} if old is not None else ()
            number = recipient.number.to_bytes(_NUMBER_BYTES, "big")
            entries += [
                address.digest + number
                for address in recipient.addresses
                if address.digest not in had
            ]
        return self._entries.add(entries) if entries else None

    def retract(self, addition: PendingAddition) -> None:
        """Take back what was not kept."""
        self._entries.retract(addition)

    async def holders(self, digests: Sequence[bytes]) -> set[int]:
        """Return who has, or had, one of the addresses."""
        found = await self._entries.find(digests)
        return {
            int.from_bytes(entry[_DIGEST_BYTES:], "big")
            for entries in found.values()
            for entry in entries
        }

    def suppress(self, digests: Iterable[bytes]) -> None:
        """Put digests into the filter, where they stay while the process runs."""
        self._suppressed.update(_prefix(digest) for digest in digests)

    def likely(self, digests: Sequence[bytes]) -> set[bytes]:
        """Return those that may be on the suppression list; the others are not."""
        suppressed = self._suppressed
        prefixes = key_prefixes(b"".join(digests), _DIGEST_BYTES)
        return {d for d, p in zip(digests, prefixes, strict=True) if p in suppressed}

    async def maintain(self) -> None:
        """Merge. To be called every few seconds."""
        await self._entries.merge_if_needed()


def _suppressed(connection: apsw.Connection) -> BitMap:
    rows = connection.execute(queries("suppressions")["all_digests"])
    return BitMap([_prefix(digest) for (digest,) in rows])


def _prefix(digest: bytes) -> int:
    return int.from_bytes(digest[:4], "big")
