"""Reading the log's rows: the chunk of a position, the chunks of a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import apsw

from tocsin.adapters.sqlite.chunk import Records, count, unpack
from tocsin.adapters.sqlite.topics import place, position_of
from tocsin.domain.records import (
    Attempt,
    Event,
    Handoff,
    Item,
    Plan,
    Poison,
    Record,
    Settled,
    decode,
)
from tocsin.ports.log import Batch, Place

_NEVER_MS: Final = 1 << 62

_EVENTS: Final[set[type]] = {Event}
_ITEMS: Final[set[type]] = {Item}
_PLANS: Final[set[type]] = {Plan}
_HANDOFFS: Final[set[type]] = {Handoff}
_OUTCOMES: Final[set[type]] = {Attempt, Settled}


def time_span(records: Sequence[Record | Poison]) -> tuple[int, int]:
    """Return the first and the last time of *records*, in ms. Hot: most batches are of one type."""
    kinds = set(map(type, records))
    if kinds == _EVENTS:
        stamps = [each.accepted_ms for each in records if type(each) is Event]
        return min(stamps), max(stamps)
    # Keys begin with their time, so the least key has the least.
    if kinds == _ITEMS:
        keys = [each.key for each in records if type(each) is Item]
    elif kinds == _PLANS:
        keys = [each.event for each in records if type(each) is Plan]
    elif kinds == _HANDOFFS:
        keys = [each.delivery for each in records if type(each) is Handoff]
    elif kinds <= _OUTCOMES:
        keys = [each.delivery for each in records if type(each) is Attempt or type(each) is Settled]
    else:
        keys = []
    # The plan of what could not be read is about no event: it has a time of its own.
    if not keys or not min(keys):
        stamps = [0 if isinstance(each, Poison) else each.stamp_ms for each in records]
        return min(stamps), max(stamps)
    return int.from_bytes(min(keys)[:6], "big"), int.from_bytes(max(keys)[:6], "big")


def decoded(body: bytes | None) -> list[Record | Poison]:
    return [] if body is None else [decode(each) for each in unpack(body)]


def chunk(connection: apsw.Connection, topic: int, partition: int, position: int) -> bytes | None:
    row = connection.execute(
        "SELECT body FROM log_chunk WHERE place = ?", (place(topic, partition, position),)
    ).fetchone()
    return None if row is None else row[0]


def chunk_at(
    connection: apsw.Connection, topic: int, partition: int, position: int
) -> tuple[int, bytes] | None:
    """Return the chunk that holds *position*, or the next one where it lies in a hole."""
    low, high = place(topic, partition, 0), place(topic, partition + 1, 0) - 1
    here = place(topic, partition, position)
    row = connection.execute(
        "SELECT place, body FROM log_chunk WHERE place BETWEEN ? AND ? ORDER BY place DESC LIMIT 1",
        (low, here),
    ).fetchone()
    if row is not None and position < position_of(row[0]) + count(row[1]):
        return position_of(row[0]), row[1]
    row = connection.execute(
        "SELECT place, body FROM log_chunk WHERE place BETWEEN ? AND ? ORDER BY place LIMIT 1",
        (here, high),
    ).fetchone()
    return None if row is None else (position_of(row[0]), row[1])


def covering(
    connection: apsw.Connection, number: int, topic: str, partition: int, at_ms: int
) -> list[Batch]:
    """Return the chunks whose spans hold *at_ms*, decoded."""
    spans: list[tuple[Any, ...]] = connection.execute(
        "SELECT position FROM log_span WHERE topic = ? AND partition = ?"
        " AND last_ms >= ? AND first_ms <= ? ORDER BY position",
        (number, partition, at_ms, at_ms),
    ).fetchall()
    return [
        Batch(topic, partition, position, decoded(chunk(connection, number, partition, position)))
        for (position,) in spans
    ]


def spans(
    connection: apsw.Connection, number: int, partition: int, since_ms: int, until_ms: int | None
) -> list[tuple[int, int]]:
    """Return (first, end) of the chunks that may hold a record of [since, until)."""
    rows = connection.execute(
        "SELECT position, position + records FROM log_span"
        " WHERE topic = ? AND partition = ? AND last_ms >= ? AND first_ms < ?"
        " ORDER BY position",
        (number, partition, since_ms, _NEVER_MS if until_ms is None else until_ms),
    )
    return [(first, end) for first, end in rows]


def pick(
    connection: apsw.Connection, wanted: Iterable[tuple[str, int, int, Sequence[int]]]
) -> tuple[dict[Place, Record | Poison], dict[tuple[str, int], list[tuple[int, Records]]]]:
    """
    Return single records by place, and the chunks that they are of, each with its first position.

    Each chunk is read once, and only what is wanted is decoded. *wanted* is (topic, partition, the
    topic's number, ascending positions).
    """
    found: dict[Place, Record | Poison] = {}
    chunks: dict[tuple[str, int], list[tuple[int, Records]]] = {}
    for topic, partition, number, positions in wanted:
        begin = end = 0
        bodies: Records | None = None
        for position in positions:
            if bodies is None or position >= end:
                at = chunk_at(connection, number, partition, position)
                if at is None:
                    break
                begin, bodies = at[0], Records(at[1])
                end = begin + len(bodies)
                chunks.setdefault((topic, partition), []).append((begin, bodies))
            # The next chunk may begin beyond it: then it lies in a hole.
            if position >= begin:
                found[topic, partition, position] = decode(bodies[position - begin])
    return found, chunks
