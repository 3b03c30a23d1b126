"""Finding a range of entries in one run: which blocks, then where in them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import apsw

from tocsin.adapters.sqlite.run_tables import Run, RunTables, fence


def bounds(key: bytes, below: bytes | None, entry_bytes: int) -> tuple[bytes, bytes]:
    """The range [low, high) of a key's entries, or of those below ``key + below``."""
    if below is not None:
        return key, key + below
    if key.count(0xFF) == len(key):
        # No key follows: whatever is longer than an entry of all ones is beyond all entries.
        return key, b"\xff" * (entry_bytes + 1)
    return key, (int.from_bytes(key, "big") + 1).to_bytes(len(key), "big")


def entries_between(
    connection: apsw.Connection,
    tables: RunTables,
    run: Run,
    low: bytes,
    high: bytes,
    entry_bytes: int,
    limit: int | None,
) -> list[bytes]:
    """The run's entries in [low, high), or the last ``limit`` of them; order is by block."""
    # Different blocks may begin with the same eight bytes, so the fences give a superset.
    first = max(0, bisect_left(run.fences, fence(low)) - 1)
    last = bisect_right(run.fences, fence(high))
    found: list[bytes] = []
    for block in range(last - 1, first - 1, -1):
        blob = tables.read_block(connection, run.number, block)
        found += _between(blob, low, high, entry_bytes)
        if limit is not None and len(found) >= limit:
            break
    return found


def _between(blob: bytes, low: bytes, high: bytes, width: int) -> list[bytes]:
    places = range(len(blob) // width)
    start = bisect_left(places, low, key=lambda place: blob[place * width : (place + 1) * width])
    found = []
    for at in range(start * width, len(blob), width):
        entry = blob[at : at + width]
        if entry >= high:
            break
        found.append(entry)
    return found
