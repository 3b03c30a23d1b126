"""
What was tried and what it came to: one row per transaction, found by the time of the event.

A b-tree by delivery would write a page for each attempt and again for each outcome. An entry is
| delivery 20 bytes | partition 8 bit | position 56 bit |; the bodies are packed as the log's are.
Every row covers at most a minute of events, so a search looks at the rows of that minute only; what
belongs to older events than the rest of its transaction (a late retry) goes to a table by delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import apsw

from tocsin.adapters.sqlite.chunk import pack, record
from tocsin.adapters.sqlite.sql import bind_blobs
from tocsin.domain.ids import accepted_ms

_DELIVERY_BYTES: Final = 20
_ENTRY_BYTES: Final = 28
_POSITION_BITS: Final = 56
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


class Tried:
    """Attempts and outcomes in the order of the log, encoded, with their places in ``outcomes``."""

    __slots__ = ("bodies", "deliveries", "places")

    def __init__(self) -> None:
        self.deliveries: list[bytes] = []
        self.places: list[int] = []
        """Partition and position, as an entry has them."""
        self.bodies: list[bytes] = []

    def add(
        self,
        partition: int,
        positions: Iterable[int],
        deliveries: Iterable[bytes],
        bodies: Iterable[bytes],
    ) -> None:
        """Add some of one partition."""
        begin = partition << _POSITION_BITS
        self.places += [begin | position for position in positions]
        self.deliveries += deliveries
        self.bodies += bodies


class AttemptsWrite:
    """The attempts and outcomes of one transaction, packed on the loop."""

    __slots__ = ("_late", "_row")

    def __init__(self, tried: Tried) -> None:
        self._late: list[tuple[bytes, int, int, bytes]] = []
        self._row: tuple[int, int, bytes, bytes] | None = None
        if not tried.deliveries:
            return
        # Keys begin with the time of the event, so they sort by it.
        first_ms, last_ms = accepted_ms(min(tried.deliveries)), accepted_ms(max(tried.deliveries))
        if last_ms - first_ms > _COVERED_MS:
            tried = self._without_late(tried, last_ms - _COVERED_MS)
            first_ms = accepted_ms(min(tried.deliveries))
        entries = [
            delivery + place.to_bytes(8, "big")
            for delivery, place in zip(tried.deliveries, tried.places, strict=True)
        ]
        self._row = (first_ms, last_ms, b"".join(entries), pack(tried.bodies))

    def _without_late(self, tried: Tried, since_ms: int) -> Tried:
        edge = since_ms.to_bytes(6, "big")
        kept = Tried()
        for delivery, at, body in zip(tried.deliveries, tried.places, tried.bodies, strict=True):
            if delivery < edge:
                self._late.append((delivery, *_place(at), body))
            else:
                partition, position = _place(at)
                kept.add(partition, (position,), (delivery,), (body,))
        return kept

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
    for delivery, place, body in (*_late(connection, wanted), *_in_chunks(connection, wanted)):
        found.setdefault(delivery, {})[place] = body
    return {
        delivery: [body for _, body in sorted(bodies.items())] for delivery, bodies in found.items()
    }


_Found = Iterator[tuple[bytes, tuple[int, int], bytes]]


def _late(connection: apsw.Connection, wanted: Sequence[bytes]) -> _Found:
    rows = connection.execute(_LATE_OF, (bind_blobs(wanted),))
    for delivery, partition, position, body in rows:
        yield delivery, (partition, position), body


def _in_chunks(connection: apsw.Connection, wanted: Sequence[bytes]) -> _Found:
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
            for index in places:
                entry = entries[index * _ENTRY_BYTES : (index + 1) * _ENTRY_BYTES]
                place = _place(int.from_bytes(entry[_DELIVERY_BYTES:], "big"))
                yield entry[:_DELIVERY_BYTES], place, record(bodies, index)


def _place(number: int) -> tuple[int, int]:
    """Return (partition, position)."""
    return number >> _POSITION_BITS, number & (1 << _POSITION_BITS) - 1


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
