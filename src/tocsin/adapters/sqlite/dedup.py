"""Who owns a name, over a window: for events' (scope, source, id), and for timers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Self

from tocsin.adapters.sqlite.engine import StateEngine, until_kept
from tocsin.adapters.sqlite.run_tail import PendingAddition
from tocsin.adapters.sqlite.runs import IndexRuns

_DIGEST_BYTES: Final = 16
_OWNER_BYTES: Final = 16
_HOUR_MS: Final = 3_600_000


class SqliteDeduplication:
    """
    Fills `tocsin.ports.state.Deduplication`.

    One entry per digest, in the partition of the hour in which it was claimed. An hour counts
    until the window has passed since its end, so a digest is known for *window_ms* and at most
    an hour longer.
    """

    def __init__(self, engine: StateEngine, entries: IndexRuns, *, window_ms: int) -> None:
        self._engine = engine
        self._entries = entries
        self._window_ms = window_ms
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, engine: StateEngine, *, name: str, window_ms: int) -> Self:
        """Make the tables called *name*… and load all that the first answer takes."""
        entries = IndexRuns(
            name,
            entry_bytes=_DIGEST_BYTES + _OWNER_BYTES,
            key_bytes=_DIGEST_BYTES,
            readers=engine.readers,
            writer=engine.writer,
        )
        await engine.write(entries.create)
        await engine.read(entries.load)
        return cls(engine, entries, window_ms=window_ms)

    def lookup(self, digests: Sequence[bytes], now_ms: int) -> Mapping[bytes, bytes]:
        """Return what memory holds: the claims of the last minutes."""
        found = self._entries.tail_find(digests, partitions=self._live(now_ms))
        return {digest: _owner(entries) for digest, entries in found.items()}

    async def claim(self, claims: Sequence[tuple[bytes, bytes]], now_ms: int) -> Sequence[bytes]:
        """Settle the claims in their order, and of two in one call for the first."""
        async with self._turn:
            digests = [digest for digest, _ in claims]
            found = await self._entries.find(digests, partitions=self._live(now_ms))
            owners = {digest: _owner(entries) for digest, entries in found.items()}
            fresh = []
            for digest, owner in claims:
                if digest not in owners:
                    owners[digest] = owner
                    fresh.append(digest + owner)
            waiting = self._add(fresh, now_ms) if fresh else None
        await until_kept(waiting)
        return [owners[digest] for digest in digests]

    async def owner(self, digest: bytes) -> bytes | None:
        """Return the newest owner that is still stored."""
        return (await self.owners([digest])).get(digest)

    async def owners(self, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the newest owner of each that is still stored."""
        found = await self._entries.find(digests)
        return {digest: _owner(entries) for digest, entries in found.items()}

    async def maintain(self, now_ms: int) -> None:
        """Drop the hours that have passed, and merge. To be called every few seconds."""
        first = self._first(now_ms)
        # One hour is left alone, so that no claim that is under way is still adding to it.
        for hour in [hour for hour in self._entries.partitions if hour < first - 1]:
            await self._entries.drop(hour)
        await self._entries.merge_if_needed()

    def _add(self, entries: list[bytes], now_ms: int) -> asyncio.Future[object] | None:
        addition = self._entries.add(entries, partition=now_ms // _HOUR_MS)
        return self._engine.queue_ahead(addition, lambda kept: self._settled(addition, kept=kept))

    def _settled(self, addition: PendingAddition, *, kept: bool) -> None:
        if not kept:
            self._entries.retract(addition)

    def _first(self, now_ms: int) -> int:
        return (now_ms - self._window_ms) // _HOUR_MS

    def _live(self, now_ms: int) -> set[int]:
        first = self._first(now_ms)
        return {hour for hour in self._entries.partitions if hour >= first}


def _owner_of(entry: bytes) -> bytes:
    return entry[_DIGEST_BYTES:]


def _owner(entries: Sequence[bytes]) -> bytes:
    """
    Return the owner that stands among the *entries* of one digest.

    There are two when an hour that had not counted any more counts again, because the clock went
    back; owners begin with a time, so the newest is the one that was claimed last.
    """
    return max(map(_owner_of, entries))
