"""
The tables of one index: its tail, its runs, their blocks, and what finds a block.

``<name>_tail``    one row per addition, in the order in which they were made
``<name>_runs``    one row per sorted run, with its state
``<name>_blocks``  the entries of a run, sorted, a page full at a time
``<name>_slices``  per slice of blocks: where each block begins, and which keys it may hold

A block and a slice are numbered by their run and their place in it, so both are found by row id.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import apsw
import msgspec
from pyroaring import BitMap

from tocsin.adapters.sqlite.connection import PAGE_BYTES

BUILDING: Final = 0
LIVE: Final = 1
DEAD: Final = 2

# The record of a block must fit into a leaf page beside its header, or it spills over.
BLOCK_BYTES: Final = PAGE_BYTES - 48

# Bits of a row id that number the blocks of one run.
_BLOCK_BITS: Final = 24

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS {name}_tail (
    seq INTEGER PRIMARY KEY, part INTEGER NOT NULL, entries BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS {name}_runs (
    run INTEGER PRIMARY KEY, part INTEGER NOT NULL, level INTEGER NOT NULL,
    entries INTEGER NOT NULL, state INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS {name}_blocks (id INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS {name}_slices (
    id INTEGER PRIMARY KEY, fences BLOB NOT NULL, keys BLOB NOT NULL
) STRICT;
"""


class Run(msgspec.Struct, frozen=True):
    """What memory holds of a run: enough to know which of its blocks to read, if any."""

    number: int
    part: int
    level: int
    entries: int
    fences: array[int]
    """The first eight bytes of every block, as a number."""
    keys: BitMap
    """The first four bytes of every key: no false negatives."""


class Slice(msgspec.Struct, frozen=True):
    """Some blocks of a run, ready to be written."""

    blocks: list[bytes]
    fences: array[int]
    keys: BitMap


class RunTables:
    """The SQL of one index. Every method runs on the connection that it is given."""

    def __init__(self, name: str) -> None:
        """Name the index; the name becomes part of its tables' names."""
        if not name.isidentifier():
            raise ValueError(f"{name!r} cannot name tables")
        self.name = name
        self._insert_tail = f"INSERT INTO {name}_tail VALUES (?, ?, ?)"
        self._select_block = f"SELECT entries FROM {name}_blocks WHERE id = ?"
        self._select_live = f"SELECT run FROM {name}_runs WHERE state = {LIVE}"

    def create(self, connection: apsw.Connection) -> None:
        """Make the tables where they are missing."""
        connection.execute(_SCHEMA.format(name=self.name))

    def insert_tail(self, connection: apsw.Connection, seq: int, part: int, entries: bytes) -> None:
        """Write one addition."""
        connection.execute(self._insert_tail, (seq, part, entries))

    def read_tail(self, connection: apsw.Connection) -> Iterator[tuple[int, int, bytes]]:
        """Every addition: number, partition, entries."""
        yield from connection.execute(f"SELECT seq, part, entries FROM {self.name}_tail")

    def tail_numbers(self, connection: apsw.Connection, part: int) -> set[int]:
        """The numbers of a partition's additions that are committed."""
        rows = connection.execute(f"SELECT seq FROM {self.name}_tail WHERE part = ?", (part,))
        return {seq for (seq,) in rows}

    def begin_run(self, connection: apsw.Connection, run: int, part: int, level: int) -> None:
        """Announce a run, so that what a killed process leaves of it is found again."""
        row = (run, part, level, 0, BUILDING)
        connection.execute(f"INSERT INTO {self.name}_runs VALUES (?, ?, ?, ?, ?)", row)

    def write_slice(
        self, connection: apsw.Connection, run: int, first_block: int, part: Slice
    ) -> None:
        """Write some blocks of a run that is being built."""
        first = _row_id(run, first_block)
        connection.executemany(
            f"INSERT INTO {self.name}_blocks VALUES (?, ?)", enumerate(part.blocks, first)
        )
        connection.execute(
            f"INSERT INTO {self.name}_slices VALUES (?, ?, ?)",
            (first, part.fences.tobytes(), part.keys.serialize()),
        )

    def finish_run(
        self,
        connection: apsw.Connection,
        run: Run,
        *,
        merged: Sequence[int],
        tail: Iterable[int],
    ) -> None:
        """Make a run count, and what it holds elsewhere count no more, at one stroke."""
        connection.execute(
            f"UPDATE {self.name}_runs SET state = {LIVE}, entries = ? WHERE run = ?",
            (run.entries, run.number),
        )
        connection.executemany(
            f"UPDATE {self.name}_runs SET state = {DEAD} WHERE run = ?", [(r,) for r in merged]
        )
        connection.executemany(
            f"DELETE FROM {self.name}_tail WHERE seq = ?", [(seq,) for seq in tail]
        )

    def drop_partition(self, connection: apsw.Connection, part: int) -> None:
        """Let a partition count no more. Its runs' blocks are deleted later, in slices."""
        connection.execute(f"DELETE FROM {self.name}_tail WHERE part = ?", (part,))
        connection.execute(f"UPDATE {self.name}_runs SET state = {DEAD} WHERE part = ?", (part,))

    def live_runs(self, connection: apsw.Connection) -> list[int]:
        """The runs that count in this connection's snapshot."""
        return [run for (run,) in connection.execute(self._select_live)]

    def read_runs(self, connection: apsw.Connection, numbers: Sequence[int]) -> list[Run]:
        """Load what memory holds of these runs, from their slices alone."""
        return [self._read_run(connection, number) for number in numbers]

    def read_block(self, connection: apsw.Connection, run: int, block: int) -> bytes:
        """One block of a run that counts in this snapshot."""
        blob: bytes = connection.execute(self._select_block, (_row_id(run, block),)).get
        return blob

    def read_blocks(
        self, connection: apsw.Connection, run: int, first: int, count: int
    ) -> list[bytes]:
        """Up to ``count`` consecutive blocks of a run."""
        rows = connection.execute(
            f"SELECT entries FROM {self.name}_blocks WHERE id >= ? AND id < ? ORDER BY id",
            (_row_id(run, first), min(_row_id(run, first + count), _row_id(run + 1, 0))),
        )
        return [blob for (blob,) in rows]

    def unwanted_runs(self, connection: apsw.Connection) -> list[int]:
        """Runs that were merged, dropped, or left unfinished by a process that ended."""
        rows = connection.execute(f"SELECT run FROM {self.name}_runs WHERE state <> {LIVE}")
        return [run for (run,) in rows]

    def delete_some(self, connection: apsw.Connection, run: int, blocks: int) -> bool:
        """Delete up to so many blocks of an unwanted run; True when nothing is left of it."""
        start, end = _row_id(run, 0), _row_id(run + 1, 0)
        ids = f"SELECT id FROM {self.name}_blocks WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
        connection.execute(
            f"DELETE FROM {self.name}_blocks WHERE id IN ({ids})", (start, end, blocks)
        )
        if connection.changes() == blocks:
            return False
        connection.execute(f"DELETE FROM {self.name}_slices WHERE id >= ? AND id < ?", (start, end))
        connection.execute(f"DELETE FROM {self.name}_runs WHERE run = ?", (run,))
        return True

    def next_numbers(self, connection: apsw.Connection) -> tuple[int, int]:
        """The numbers that the next addition and the next run take."""
        seq = connection.execute(f"SELECT coalesce(max(seq), 0) + 1 FROM {self.name}_tail").get
        run = connection.execute(f"SELECT coalesce(max(run), 0) + 1 FROM {self.name}_runs").get
        return seq, run

    def _read_run(self, connection: apsw.Connection, number: int) -> Run:
        part, level, entries = connection.execute(
            f"SELECT part, level, entries FROM {self.name}_runs WHERE run = ?", (number,)
        ).get
        fences: array[int] = array("Q")
        keys = []
        for fence, key in connection.execute(
            f"SELECT fences, keys FROM {self.name}_slices WHERE id >= ? AND id < ? ORDER BY id",
            (_row_id(number, 0), _row_id(number + 1, 0)),
        ):
            fences.frombytes(fence)
            keys.append(BitMap.deserialize(key))
        return Run(number, part, level, entries, fences, BitMap.union(*keys))


def key_prefixes(joined: bytes, width: int) -> array[int]:
    """The first four bytes of every ``width`` bytes, as numbers that sort as the bytes do."""
    numbers = array("I", joined)[:: width // 4]
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def fence(entry: bytes) -> int:
    """The first eight bytes, as a number that sorts as the bytes do."""
    return int.from_bytes(entry[:8].ljust(8, b"\0"), "big")


def _row_id(run: int, block: int) -> int:
    return run << _BLOCK_BITS | block
