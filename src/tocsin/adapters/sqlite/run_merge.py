"""
Merging sorted sources into the slices of one run.

A slice is a few thousand entries, so that neither the interpreter nor the writer is held for
longer than a few milliseconds. Sorting a concatenation of sorted lists is a merge: Python's sort
finds the sorted stretches and compares only where they meet.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Protocol

import apsw
from pyroaring import BitMap

from tocsin.adapters.sqlite.run_tables import (
    BLOCK_BYTES,
    Run,
    RunTables,
    Slice,
    fence,
    key_prefixes,
)


class Source(Protocol):
    """Sorted entries, a piece at a time."""

    def read(self, connection: apsw.Connection, entries: int) -> list[bytes]:
        """The next entries, at least one block's worth of them; empty at the end."""
        ...


class ListSource:
    """A sorted list in memory."""

    def __init__(self, entries: list[bytes]) -> None:
        """Read from its start."""
        self._entries = entries
        self._at = 0

    def read(
        self, connection: apsw.Connection, entries: int
    ) -> list[bytes]:  # a list needs no file
        """The next entries."""
        piece = self._entries[self._at : self._at + entries]
        self._at += len(piece)
        return piece


class RunSource:
    """The blocks of a run."""

    def __init__(self, tables: RunTables, run: Run, entry_bytes: int) -> None:
        """Read from its start."""
        self._tables = tables
        self._run = run.number
        self._entry_bytes = entry_bytes
        self._block = 0

    def read(self, connection: apsw.Connection, entries: int) -> list[bytes]:
        """The entries of the next blocks."""
        count = max(1, entries * self._entry_bytes // BLOCK_BYTES)
        blobs = self._tables.read_blocks(connection, self._run, self._block, count)
        self._block += len(blobs)
        return split(b"".join(blobs), self._entry_bytes)


class Merge:
    """Reads sources side by side and cuts what they hold into slices of whole blocks."""

    def __init__(self, sources: Sequence[Source], *, entry_bytes: int, slice_entries: int) -> None:
        """Prepare to merge; nothing is read yet."""
        self._sources = list(sources)
        self._buffers: list[list[bytes]] = [[] for _ in sources]
        self._entry_bytes = entry_bytes
        self._piece = max(1, slice_entries // max(1, len(sources)))
        self._carry: list[bytes] = []
        self.entries = 0

    def next_slice(self, connection: apsw.Connection) -> Slice | None:
        """The next blocks; None when everything was read. Equal entries become one."""
        per_block = BLOCK_BYTES // self._entry_bytes
        while self._sources:
            entries = self._carry + self._next_sorted(connection)
            whole = len(entries) // per_block * per_block if self._sources else len(entries)
            self._carry = entries[whole:]
            if whole:
                return self._cut(entries[:whole], per_block)
        return None

    def _next_sorted(self, connection: apsw.Connection) -> list[bytes]:
        self._fill(connection)
        if not self._sources:
            return []
        # Up to here every source that has more to come has shown all that it has.
        bound = min(buffer[-1] for buffer in self._buffers)
        taken: list[bytes] = []
        for index, buffer in enumerate(self._buffers):
            upto = bisect_right(buffer, bound)
            taken += buffer[:upto]
            self._buffers[index] = buffer[upto:]
        taken.sort()
        return list(dict.fromkeys(taken))

    def _fill(self, connection: apsw.Connection) -> None:
        # To the full piece, not only where a buffer is empty: the shortest buffer decides how
        # much all others give, and slices would shrink to its crumbs.
        for index, source in enumerate(self._sources):
            buffer = self._buffers[index]
            if len(buffer) < self._piece:
                buffer += source.read(connection, self._piece - len(buffer))
        still = [index for index, buffer in enumerate(self._buffers) if buffer]
        self._sources = [self._sources[index] for index in still]
        self._buffers = [self._buffers[index] for index in still]

    def _cut(self, entries: list[bytes], per_block: int) -> Slice:
        self.entries += len(entries)
        joined = b"".join(entries)
        size = per_block * self._entry_bytes
        return Slice(
            blocks=[joined[at : at + size] for at in range(0, len(joined), size)],
            fences=array("Q", [fence(entry) for entry in entries[::per_block]]),
            keys=BitMap(key_prefixes(joined, self._entry_bytes)),
        )


def split(joined: bytes, width: int) -> list[bytes]:
    """Cut bytes into entries of one width."""
    return list(Struct(f"{width}s" * (len(joined) // width)).unpack(joined))


def sorted_chunks(lists: Iterator[Sequence[bytes]], chunk: int) -> list[list[bytes]]:
    """Gather lists into sorted ones of about ``chunk`` different entries each."""
    chunks: list[list[bytes]] = []
    gathered: list[bytes] = []
    for entries in lists:
        gathered += entries
        if len(gathered) >= chunk:
            chunks.append(sorted(set(gathered)))
            gathered = []
    if gathered:
        chunks.append(sorted(set(gathered)))
    return chunks
