"""Named sets of dense numbers: Roaring bitmaps in rows of one block of 65,536 numbers each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import apsw
from pyroaring import BitMap

from tocsin.adapters.sqlite.sql import bind_texts, queries

EVERYONE: Final = "all"
"""The set of all recipients that exist."""

_BLOCK_BITS: Final = 16


class SetChanges:
    """
    Who joins and leaves which set, gathered so that each row is read and written once.

    Of several changes for one number and set the last counts.
    """

    def __init__(self) -> None:
        self._changes: defaultdict[tuple[str, int], tuple[set[int], set[int]]] = defaultdict(
            lambda: (set(), set())
        )

    def add(self, key: str, number: int) -> None:
        """Put *number* into the set."""
        joining, leaving = self._changes[key, number >> _BLOCK_BITS]
        joining.add(number)
        leaving.discard(number)

    def remove(self, key: str, number: int) -> None:
        """Take *number* out of the set."""
        joining, leaving = self._changes[key, number >> _BLOCK_BITS]
        leaving.add(number)
        joining.discard(number)

    def move(self, number: int, before: Iterable[str], after: Iterable[str]) -> None:
        """Take *number* out of the sets *before* and put it into the sets *after*."""
        old, new = frozenset(before), frozenset(after)
        for key in old - new:
            self.remove(key, number)
        for key in new - old:
            self.add(key, number)

    def write(self, connection: apsw.Connection) -> None:
        """Apply the changes, within the caller's transaction."""
        sql = queries("sets")
        for (key, block), (joining, leaving) in self._changes.items():
            stored = connection.execute(sql["get"], (key, block)).get
            members = BitMap() if stored is None else BitMap.deserialize(stored)
            members |= BitMap(joining)
            members -= BitMap(leaving)
            if members:
                members.run_optimize()
                connection.execute(sql["put"], (key, block, members.serialize()))
            else:
                connection.execute(sql["delete"], (key, block))


def read_whole(connection: apsw.Connection, key: str) -> BitMap:
    """Return a set with all its blocks."""
    rows = connection.execute(queries("sets")["whole"], (key,))
    return BitMap.union(BitMap(), *[BitMap.deserialize(bitmap) for (bitmap,) in rows])


def read_block(connection: apsw.Connection, keys: Sequence[str], block: int) -> dict[str, BitMap]:
    """Return one block of several sets, empty ones for those that have no row."""
    found = {key: BitMap() for key in keys}
    for key, bitmap in connection.execute(queries("sets")["block"], (bind_texts(set(keys)), block)):
        found[key] = BitMap.deserialize(bitmap)
    return found
