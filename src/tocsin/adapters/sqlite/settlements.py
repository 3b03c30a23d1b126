"""
What became of deliveries: one row per transaction, 28 bytes per delivery.

An entry is | delivery 20 bytes | at ms 48 bit | kind 16 bit |; *kind* is the place in the row's
list of [lane, channel, state, reason, how many]. What settles long after it was accepted would
widen the time that a row covers, and with it every search, so it goes to a table by delivery.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import apsw
import msgspec

from tocsin.adapters.sqlite.sql import bind_blobs
from tocsin.domain.delivery import State, allowed
from tocsin.domain.ids import accepted_ms
from tocsin.ports.views import SettledDelivery

ENTRY_BYTES: Final = 28
_DELIVERY_BYTES: Final = 20
_LATE_MS: Final = 60_000
_REFINING: Final = frozenset({"delivered"})
"""States that a delivery reaches only after it has settled."""

_AFTER: Final = {"delivered": "sent"}
"""
What a delivery was counted as before, where no entry says so: a broadcast's have none, and a view
that reads topics apart may see the receipt first.
"""

Kind = tuple[str, str, str, str]
"""(lane, channel, state, reason)."""


class Settlement(NamedTuple):
    """One delivery that settled."""

    delivery: bytes
    at_ms: int
    kind: Kind


Settling = Mapping[tuple[Kind, int], list[bytes]]
"""
Deliveries by how and when (ms) they settled.

Most of a batch settles at one time in one way: what they share is worked out once, and whether one
is late is told by comparing the bytes that its key begins with.
"""


_CHUNK = "INSERT INTO settled_chunk (first_ms, last_ms, counts, entries) VALUES (?, ?, ?, ?)"
_LATE = (
    "INSERT INTO settled_late (delivery, accepted_ms, lane, channel, state, reason, at_ms, refines)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (delivery) DO UPDATE SET state = excluded.state, reason = excluded.reason,"
    " at_ms = excluded.at_ms"
    # The moves of a settled delivery, as `_may_refine` has them; within one batch only this sees
    # the one before. What the first row refines it goes on refining.
    " WHERE settled_late.state = 'sent' AND excluded.state IN ('delivered', 'failed')"
    " OR settled_late.state = 'delivered' AND excluded.state = 'failed'"
)


_NOTHING_REFINED = "UPDATE settled_late SET refines = NULL WHERE delivery = ? AND refines = ?"
"""The receipt came first, and what it was taken to refine has come too late for an entry."""


class SettledBroadcast(NamedTuple):
    """The members of a fan-out's chunk, counted by how they settled."""

    place: tuple[bytes, int, int, int]
    """(fan-out, step, block, part)."""
    accepted_ms: int
    counted: Mapping[Kind, int]

    def write(self, connection: apsw.Connection) -> None:
        """
        Count them, unless the chunk was counted before.

        They get a row of their own: what has no entries could not say on which side of the edge
        of a window it is.
        """
        connection.execute(
            "INSERT INTO settled_broadcast (fanout, step, block, part) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            self.place,
        )
        if connection.changes() and self.counted:
            text = _text([[*kind, n] for kind, n in self.counted.items()])
            connection.execute(_CHUNK, (self.accepted_ms, self.accepted_ms, text, b""))


class SettlementWrite:
    """The settlements of one transaction, packed on the loop."""

    __slots__ = ("_late", "_row")

    def __init__(self, settled: Settling, contested: Sequence[Settlement]) -> None:
        """Of *contested* another record may tell, too; the first that is written stands."""
        self._late: list[Settlement] = []
        refined: list[Settlement] = []
        numbers: dict[Kind, int] = {}
        totals: list[int] = []
        parts: list[bytes] = []
        for (kind, at_ms), deliveries in settled.items():
            if kind[2] in _REFINING:
                refined.extend(Settlement(each, at_ms, kind) for each in deliveries)
                continue
            prompt = self._without_late(kind, at_ms, deliveries)
            if not prompt:
                continue
            number = numbers.setdefault(kind, len(numbers))
            if number == len(totals):
                totals.append(0)
            totals[number] += len(prompt)
            end = at_ms.to_bytes(6, "big") + number.to_bytes(2, "big")
            parts.extend([delivery + end for delivery in prompt])
        # What is refined comes before what refines it.
        self._late += [*contested, *refined]
        self._row: tuple[int, int, str, bytes] | None = None
        if parts:
            counts = [[*kind, total] for kind, total in zip(numbers, totals, strict=True)]
            first, last = accepted_ms(min(parts)), accepted_ms(max(parts))
            self._row = (first, last, _text(counts), b"".join(parts))

    def _without_late(self, kind: Kind, at_ms: int, deliveries: list[bytes]) -> list[bytes]:
        edge = max(0, at_ms - _LATE_MS).to_bytes(6, "big")
        if min(deliveries) >= edge:
            return deliveries
        self._late.extend(Settlement(each, at_ms, kind) for each in deliveries if each < edge)
        return [each for each in deliveries if each >= edge]

    def __call__(self, connection: apsw.Connection) -> None:
        """Write the row, and the late ones."""
        if self._row is not None:
            connection.execute(_CHUNK, self._row)
        standing = find(connection, [each.delivery for each in self._late]) if self._late else {}
        for each in self._late:
            lane, channel, state, reason = each.kind
            before = standing.get(each.delivery)
            refines = before.state if before is not None else _AFTER.get(state)
            if before is not None and not _may_refine(before.state, state):
                if state in _AFTER.values() and not _entries(connection, [each.delivery]):
                    connection.execute(_NOTHING_REFINED, (each.delivery, state))
                continue
            stamp = accepted_ms(each.delivery)
            row = (each.delivery, stamp, lane, channel, state, reason, each.at_ms, refines)
            connection.execute(_LATE, row)


def _text(counts: list[list[object]]) -> str:
    return msgspec.json.encode(counts).decode()


def _may_refine(before: str, after: str) -> bool:
    """A settled delivery moves on only by a receipt, which may also take a yes back."""
    return allowed(State(before), State(after))


def find(connection: apsw.Connection, deliveries: Sequence[bytes]) -> dict[bytes, SettledDelivery]:
    """Return how those deliveries stand that have settled."""
    found = _entries(connection, deliveries)
    late = connection.execute(
        "SELECT delivery, state, reason, at_ms FROM carray(?) AS wanted"
        " CROSS JOIN settled_late ON settled_late.delivery = wanted.value",
        (bind_blobs(deliveries),),
    )
    found.update((row[0], SettledDelivery(*row)) for row in late)
    return found


def _entries(
    connection: apsw.Connection, deliveries: Sequence[bytes]
) -> dict[bytes, SettledDelivery]:
    """Return how those stand that have an entry, before what came late."""
    found: dict[bytes, SettledDelivery] = {}
    by_stamp: dict[int, list[bytes]] = {}
    for each in deliveries:
        by_stamp.setdefault(accepted_ms(each), []).append(each)
    for stamp, wanted in by_stamp.items():
        rows = connection.execute(
            "SELECT counts, entries FROM settled_chunk WHERE last_ms >= ? AND first_ms <= ?",
            (stamp, stamp),
        )
        for counts, entries in rows:
            for delivery in wanted:
                place = _place(entries, delivery)
                if place is not None:
                    found[delivery] = _read(counts, entries, place)
    return found


def _place(entries: bytes, delivery: bytes) -> int | None:
    at = entries.find(delivery)
    while at >= 0 and at % ENTRY_BYTES:
        at = entries.find(delivery, at + 1)
    return None if at < 0 else at


def _read(counts: str, entries: bytes, at: int) -> SettledDelivery:
    entry = entries[at : at + ENTRY_BYTES]
    kind = msgspec.json.decode(counts)[int.from_bytes(entry[26:28], "big")]
    at_ms = int.from_bytes(entry[20:26], "big")
    return SettledDelivery(entry[:_DELIVERY_BYTES], kind[2], kind[3], at_ms)


def counts(
    connection: apsw.Connection, since_ms: int, until_ms: int
) -> dict[tuple[str, str, str], int]:
    """Count settled deliveries accepted in [since, until) by (lane, channel, state)."""
    total: dict[tuple[str, str, str], int] = {}
    for kind, number in _chunk_counts(connection, since_ms, until_ms):
        key = kind[:3]
        total[key] = total.get(key, 0) + number
    late = connection.execute(
        "SELECT lane, channel, state, refines, count(*) FROM settled_late"
        " WHERE accepted_ms >= ? AND accepted_ms < ? GROUP BY lane, channel, state, refines",
        (since_ms, until_ms),
    )
    for lane, channel, state, refines, number in late:
        total[lane, channel, state] = total.get((lane, channel, state), 0) + number
        if refines is not None:
            total[lane, channel, refines] = total.get((lane, channel, refines), 0) - number
    return total


def _chunk_counts(
    connection: apsw.Connection, since_ms: int, until_ms: int
) -> Iterator[tuple[Kind, int]]:
    rows = connection.execute(
        "SELECT first_ms, last_ms, counts, entries FROM settled_chunk"
        " WHERE last_ms >= ? AND first_ms < ?",
        (since_ms, until_ms),
    )
    for first_ms, last_ms, text, entries in rows:
        kinds = msgspec.json.decode(text)
        if first_ms >= since_ms and last_ms < until_ms:
            for *kind, number in kinds:
                yield (kind[0], kind[1], kind[2], kind[3]), number
            continue
        # A row across the edge of the window: its entries say which side each is on.
        for at in range(0, len(entries), ENTRY_BYTES):
            if since_ms <= int.from_bytes(entries[at : at + 6], "big") < until_ms:
                kind = kinds[int.from_bytes(entries[at + 26 : at + 28], "big")]
                yield (kind[0], kind[1], kind[2], kind[3]), 1
