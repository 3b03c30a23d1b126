"""
What was tried and what it came to: one row per transaction, found by the time of the event.

A b-tree by delivery would write a page for each attempt and again for each outcome. An entry is
| delivery 20 bytes | partition 8 bit | position 56 bit |; the bodies are packed as the log's are.
Every row covers at most a minute of events, so a search looks at the rows of that minute only; what
belongs to older events than the rest of its transaction (a late retry) goes to a table by delivery.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import apsw

from tocsin.adapters.sqlite.chunk import pack, record
from tocsin.adapters.sqlite.sql import bind_blobs
from tocsin.domain.ids import accepted_ms

_DELIVERY_BYTES: Final = 20
_ENTRY_BYTES: Final = 28
_COVERED_MS: Final = 60_000
_FEW: Final = 16
"""Up to so many deliveries are looked for one by one; for more all of a row's entries are cut."""

_CHUNK = "INSERT INTO attempt_chunk (first_ms, last_ms, entries, bodies) VALUES (?, ?, ?, ?)"
_LATE = (
    "INSERT INTO attempt (delivery, partition, position, body) VALUES (?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
_LATE_OF = (
    "SELECT delivery, partition, position, body FROM carray(?) AS wanted"
    " CROSS JOIN attempt ON attempt.delivery = wanted.value"
)
_COVERING = (
    "SELECT number, entries FROM attempt_chunk"
    " WHERE last_ms BETWEEN ?1 AND ?1 + ?2 AND first_ms <= ?1"
)
_BODIES = "SELECT bodies FROM attempt_chunk WHERE number = ?"


class Tried(NamedTuple):
    """One attempt or outcome, encoded, and its place in ``outcomes``."""

    delivery: bytes
    partition: int
    position: int
    body: bytes


class AttemptsWrite:
    """The attempts and outcomes of one transaction, packed on the loop."""

    __slots__ = ("_late", "_row")

    def __init__(self, tried: Sequence[Tried]) -> None:
        self._late: Sequence[Tried] = ()
        self._row: tuple[int, int, bytes, bytes] | None = None
        if not tried:
            return
        # Keys begin with the time of the event, so they sort by it.
        deliveries = [each.delivery for each in tried]
        first_ms, last_ms = accepted_ms(min(deliveries)), accepted_ms(max(deliveries))
        if last_ms - first_ms > _COVERED_MS:
            edge = (last_ms - _COVERED_MS).to_bytes(6, "big")
            self._late = [each for each in tried if each.delivery < edge]
            tried = [each for each in tried if each.delivery >= edge]
            first_ms = accepted_ms(min(each.delivery for each in tried))
        entries = b"".join(
            [
                delivery + (partition << 56 | position).to_bytes(8, "big")
                for delivery, partition, position, _ in tried
            ]
        )
        self._row = (first_ms, last_ms, entries, pack([each.body for each in tried]))

    def __call__(self, connection: apsw.Connection) -> None:
        """Write the row, and the late ones."""
        if self._row is not None:
            connection.execute(_CHUNK, self._row)
        if self._late:
            connection.executemany(_LATE, self._late)


def find(connection: apsw.Connection, deliveries: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """Return the bodies of each, in the order of the log; deliveries without any are left out."""
    wanted = list(dict.fromkeys(deliveries))
    # By place: a view that was brought up twice may hold a record twice.
    found: dict[bytes, dict[tuple[int, int], bytes]] = {}
    for tried in (*_late(connection, wanted), *_in_chunks(connection, wanted)):
        found.setdefault(tried.delivery, {})[tried.partition, tried.position] = tried.body
    return {
        delivery: [body for _, body in sorted(bodies.items())] for delivery, bodies in found.items()
    }


def _late(connection: apsw.Connection, wanted: Sequence[bytes]) -> Iterator[Tried]:
    for row in connection.execute(_LATE_OF, (bind_blobs(wanted),)):
        yield Tried(*row)


def _in_chunks(connection: apsw.Connection, wanted: Sequence[bytes]) -> Iterator[Tried]:
    by_stamp: dict[int, set[bytes]] = {}
    for each in wanted:
        by_stamp.setdefault(accepted_ms(each), set()).add(each)
    for stamp, some in by_stamp.items():
        rows: list[tuple[Any, ...]] = connection.execute(_COVERING, (stamp, _COVERED_MS)).fetchall()
        for number, entries in rows:
            places = sorted(_places(entries, some))
            if not places:
                continue
            bodies: bytes = connection.execute(_BODIES, (number,)).get
            for place in places:
                entry = entries[place * _ENTRY_BYTES : (place + 1) * _ENTRY_BYTES]
                at = int.from_bytes(entry[_DELIVERY_BYTES:], "big")
                body = record(bodies, place)
                yield Tried(entry[:_DELIVERY_BYTES], at >> 56, at & (1 << 56) - 1, body)


def _places(entries: bytes, wanted: set[bytes]) -> Iterator[int]:
    if len(wanted) > _FEW:
        for at in range(0, len(entries), _ENTRY_BYTES):
            if entries[at : at + _DELIVERY_BYTES] in wanted:
                yield at // _ENTRY_BYTES
        return
    for delivery in wanted:
        at = entries.find(delivery)
        while at >= 0:
            if at % _ENTRY_BYTES == 0:
                yield at // _ENTRY_BYTES
            at = entries.find(delivery, at + 1)
