"""
How records lie in one row: a count, the end of each record, then the records.

    | count u32 | end of record 0 u32 | ... | end of record n-1 u32 | record 0 | ... | record n-1 |

Little-endian. One record can be cut out without decoding the others.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate

_COUNT = struct.Struct("<I")


def pack(bodies: Sequence[bytes]) -> bytes:
    """Return the row's value for records that are already encoded."""
    ends = array("I", accumulate(map(len, bodies)))
    return b"".join((_COUNT.pack(len(bodies)), ends.tobytes(), *bodies))


def count(chunk: bytes) -> int:
    """Return how many records a row holds."""
    return int(_COUNT.unpack_from(chunk)[0])


def unpack(chunk: bytes, first: int = 0) -> Iterator[bytes]:
    """Yield the records from the *first*-th on."""
    total = count(chunk)
    ends = memoryview(chunk)[4 : 4 + 4 * total].cast("I")
    base = 4 + 4 * total
    start = ends[first - 1] if first else 0
    for end in ends[first:]:
        yield chunk[base + start : base + end]
        start = end


def record(chunk: bytes, index: int) -> bytes:
    """Return the *index*-th record."""
    total = count(chunk)
    ends = memoryview(chunk)[4 : 4 + 4 * total].cast("I")
    start = ends[index - 1] if index else 0
    base = 4 + 4 * total
    return chunk[base + start : base + ends[index]]


class Records:
    """A row's records, to cut several out of it one by one."""

    __slots__ = ("_base", "_chunk", "_ends")

    def __init__(self, chunk: bytes) -> None:
        total = count(chunk)
        self._chunk = chunk
        self._base = 4 + 4 * total
        self._ends = memoryview(chunk)[4 : self._base].cast("I")

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> bytes:
        base, ends = self._base, self._ends
        start = ends[index - 1] if index else 0
        return self._chunk[base + start : base + ends[index]]


def slices(bodies: Sequence[bytes], bytes_max: int) -> Iterator[tuple[int, int]]:
    """Yield (first, end) of runs of *bodies* of at most *bytes_max*, or of one record."""
    if sum(map(len, bodies)) <= bytes_max:
        # Nearly always: no record has to be looked at alone.
        if bodies:
            yield 0, len(bodies)
        return
    first = size = 0
    for index, body in enumerate(bodies):
        if size and size + len(body) > bytes_max:
            yield first, index
            first, size = index, 0
        size += len(body)
    if first < len(bodies):
        yield first, len(bodies)
