"""The youngest entries of an index partition, in memory, found by key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import apsw
import msgspec

from tocsin.adapters.sqlite.run_tables import RunTables


class Addition(msgspec.Struct, frozen=True, gc=False):
    """What one call added, under the number of its row."""

    seq: int
    part: int
    entries: Sequence[bytes]


class PendingAddition:
    """
    Makes entries durable that lookups already see. Call it once, inside a write transaction.

    If that transaction fails, hand it to ``IndexRuns.retract``.
    """

    __slots__ = ("_joined", "_tables", "part", "seq")

    def __init__(self, tables: RunTables, seq: int, part: int, joined: bytes) -> None:
        """Made by ``IndexRuns.add``."""
        self._tables = tables
        self._joined = joined
        self.seq = seq
        self.part = part

    def __call__(self, connection: apsw.Connection) -> None:
        """Write one row."""
        self._tables.insert_tail(connection, self.seq, self.part, self._joined)


class Generation:
    """
    Additions, and their entries by key. An entry that was added twice is held twice.

    A key with one entry, the usual case, holds it bare: a list for each would cost twice the
    time, and give the garbage collector as many objects to visit.
    """

    def __init__(self, key_bytes: int) -> None:
        """Start empty."""
        self.additions: dict[int, Addition] = {}
        self.entries = 0
        self._by_key: dict[bytes, bytes | list[bytes]] = {}
        self._key_bytes = key_bytes
        self._repeat = False
        """Whether a key came that was held already."""

    def add(self, addition: Addition) -> None:
        """Hold an addition."""
        entries, by_key = addition.entries, self._by_key
        keys = [entry[: self._key_bytes] for entry in entries]
        fresh = {} if self._repeat else dict(zip(keys, entries, strict=True))
        if len(fresh) == len(entries) and by_key.keys().isdisjoint(fresh):
            by_key.update(fresh)
        else:
            # Where keys come again they go on doing so: it is not tried at once any more.
            self._repeat = True
            for key, entry in zip(keys, entries, strict=True):
                held = by_key.get(key)
                if held is None:
                    by_key[key] = entry
                elif isinstance(held, list):
                    held.append(entry)
                else:
                    by_key[key] = [held, entry]
        self.additions[addition.seq] = addition
        self.entries += len(entries)

    def find(self, keys: Iterable[bytes], into: dict[bytes, list[bytes]]) -> None:
        """Append the entries of those keys that are held, unsorted."""
        by_key = self._by_key
        for key in [key for key in keys if key in by_key]:
            held = by_key[key]
            into.setdefault(key, []).extend((held,) if isinstance(held, bytes) else held)

    def retract(self, seq: int) -> bool:
        """Forget an addition; False when this generation does not hold it."""
        addition = self.additions.pop(seq, None)
        if addition is None:
            return False
        for entry in addition.entries:
            key = entry[: self._key_bytes]
            held = self._by_key[key]
            if isinstance(held, list) and len(held) > 1:
                held.remove(entry)
            else:
                del self._by_key[key]
        self.entries -= len(addition.entries)
        return True


class Tail:
    """
    Two generations: one that grows, and one that is being written as a run, if any.

    Both are looked into until the run counts; then the written one is let go at once.
    """

    def __init__(self, key_bytes: int) -> None:
        """Start empty."""
        self._key_bytes = key_bytes
        self.growing = Generation(key_bytes)
        self.sealed: Generation | None = None

    def find(self, keys: Iterable[bytes], into: dict[bytes, list[bytes]]) -> None:
        """Append the entries of those keys that are held, unsorted."""
        self.growing.find(keys, into)
        if self.sealed is not None:
            self.sealed.find(keys, into)

    def seal(self) -> Generation:
        """Return what is to be written; a generation whose writing failed is taken up again."""
        if self.sealed is None:
            self.sealed = self.growing
            self.growing = Generation(self._key_bytes)
        return self.sealed

    def written(self, numbers: Iterable[int]) -> None:
        """Let the sealed generation go, except for additions that are not among these."""
        if self.sealed is None:
            return
        late = self.sealed.additions
        for number in numbers:
            late.pop(number, None)
        self.sealed = None
        for addition in late.values():
            self.growing.add(addition)

    def retract(self, seq: int) -> None:
        """Forget an addition that was never committed."""
        if not self.growing.retract(seq) and self.sealed is not None:
            self.sealed.retract(seq)
