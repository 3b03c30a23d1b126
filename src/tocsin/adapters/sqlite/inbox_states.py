"""What people did with items, and with all of their items at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

import apsw
import msgspec

from tocsin.adapters.sqlite.inbox_entries import covers
from tocsin.domain.inbox import UNTOUCHED, ItemState, changed
from tocsin.domain.records import StateChange, encode

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ItemState)
_until_decoder = msgspec.msgpack.Decoder(tuple[int, ...])

_UPSERT: Final = (
    "INSERT INTO inbox_state (recipient, item, state, position) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (recipient, item) DO UPDATE"
    " SET state = excluded.state, position = excluded.position"
    " WHERE excluded.position > inbox_state.position"
)
_SWEEP: Final = (
    "INSERT INTO inbox_sweep (recipient, position, state, until, at_ms)"
    " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_CHANGE: Final = (
    "INSERT INTO inbox_change (recipient, position, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
)
_ONE_STATE: Final = "SELECT state, position FROM inbox_state WHERE recipient = ? AND item = ?"
_ALL_STATES: Final = "SELECT item, state, position FROM inbox_state WHERE recipient = ?"
_SWEEPS: Final = (
    "SELECT position, state, until, at_ms FROM inbox_sweep WHERE recipient = ? ORDER BY position"
)
_STATES_OF_MANY: Final = (
    "SELECT recipient, item, state, position FROM inbox_state"
    " WHERE recipient IN (SELECT value FROM json_each(?))"
)
_SWEEPS_OF_MANY: Final = (
    "SELECT recipient, position, state, until, at_ms FROM inbox_sweep"
    " WHERE recipient IN (SELECT value FROM json_each(?)) ORDER BY recipient, position"
)
_CHANGES: Final = (
    "SELECT position, body FROM inbox_change WHERE recipient = ? AND position >= ?"
    " ORDER BY position LIMIT ?"
)


class _Sweep(NamedTuple):
    """A change of everything below ``until``, one position for each stream."""

    position: int
    state: str
    until: tuple[int, ...]
    at_ms: int


_Rows = Mapping[bytes, tuple[ItemState, int]]


class States:
    """The states of one recipient's items: rows of single items, under sweeps over all of them."""

    def __init__(self, rows: _Rows, sweeps: Sequence[_Sweep]) -> None:
        self._rows = rows
        self._sweeps = sweeps
        self._kinds = len({sweep.state for sweep in self._sweeps})

    @classmethod
    def read(
        cls, connection: apsw.Connection, recipient: int, only: Sequence[bytes] | None = None
    ) -> Self:
        """Read all rows, or those of the keys *only*."""
        sweeps = [_sweep(*row) for row in connection.execute(_SWEEPS, (recipient,))]
        return cls(_rows(connection, recipient, only), sweeps)

    def of(self, key: bytes, place: bytes) -> ItemState:
        """
        Return an item's state: its own row, and every later sweep that concerned it.

        Sweeps keep the first time, so that only the first of each kind counts.
        """
        state, at = self._rows.get(key, (UNTOUCHED, -1))
        done: set[str] = set()
        for sweep in self._sweeps:
            if len(done) == self._kinds:
                break
            if sweep.position > at and sweep.state not in done and covers(place, sweep.until):
                state = changed(state, sweep.state, sweep.at_ms)
                done.add(sweep.state)
        return state


def states_of(connection: apsw.Connection, recipients: Sequence[int]) -> dict[int, States]:
    """Return the states of several recipients' items, by two queries."""
    if not recipients:
        return {}
    wanted = (msgspec.json.encode(recipients).decode(),)
    rows: dict[int, dict[bytes, tuple[ItemState, int]]] = {one: {} for one in recipients}
    sweeps: dict[int, list[_Sweep]] = {one: [] for one in recipients}
    for one, item, state, position in connection.execute(_STATES_OF_MANY, wanted):
        rows[one][item] = (_decoder.decode(state), position)
    for one, *sweep in connection.execute(_SWEEPS_OF_MANY, wanted):
        sweeps[one].append(_sweep(*sweep))
    return {one: States(rows[one], sweeps[one]) for one in recipients}


def write_changes(connection: apsw.Connection, changes: Iterable[tuple[int, StateChange]]) -> None:
    """Apply (position, change) pairs in order. The same pair again changes nothing."""
    for position, change in changes:
        recipient = change.recipient
        connection.execute(_CHANGE, (recipient, position, encode(change)))
        if not change.keys:
            until = _encoder.encode(change.until)
            connection.execute(_SWEEP, (recipient, position, change.state, until, change.at_ms))
            continue
        states = States.read(connection, recipient, change.keys)
        rows = []
        for key, place in zip(change.keys, change.places, strict=True):
            state = changed(states.of(key, place), change.state, change.at_ms)
            rows.append((recipient, key, _encoder.encode(state), position))
        connection.executemany(_UPSERT, rows)


def read_changes(
    connection: apsw.Connection, recipient: int, position: int, limit: int
) -> Sequence[tuple[int, bytes]]:
    """Return (position, record) of the recipient's changes from *position* on."""
    rows: list[tuple[Any, ...]] = connection.execute(
        _CHANGES, (recipient, position, limit)
    ).fetchall()
    return [(row[0], row[1]) for row in rows]


def _sweep(position: int, state: str, until: bytes, at_ms: int) -> _Sweep:
    return _Sweep(position, state, _until_decoder.decode(until), at_ms)


def _rows(
    connection: apsw.Connection, recipient: int, only: Sequence[bytes] | None
) -> dict[bytes, tuple[ItemState, int]]:
    if only is None:
        return {
            item: (_decoder.decode(state), position)
            for item, state, position in connection.execute(_ALL_STATES, (recipient,))
        }
    found = {}
    for key in only:
        row = connection.execute(_ONE_STATE, (recipient, key)).fetchone()
        if row is not None:
            found[key] = (_decoder.decode(row[0]), row[1])
    return found
