"""What people did with items, and with all of their items at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw
import msgspec

from tocsin.domain.inbox import UNTOUCHED, ItemState, changed
from tocsin.domain.records import StateChange, encode

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ItemState)

_UPSERT = (
    "INSERT INTO inbox_state (recipient, item, state, position) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (recipient, item) DO UPDATE"
    " SET state = excluded.state, position = excluded.position"
    " WHERE excluded.position > inbox_state.position"
)
_SWEEP = (
    "INSERT INTO inbox_sweep (recipient, position, state, until_ms, at_ms)"
    " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_CHANGE = (
    "INSERT INTO inbox_change (recipient, position, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
)


class States:
    """The states of one recipient's items: rows of single items, under sweeps over all of them."""

    def __init__(self, connection: apsw.Connection, recipient: int) -> None:
        self._rows: dict[bytes, tuple[ItemState, int]] = {
            item: (_decoder.decode(state), position)
            for item, state, position in connection.execute(
                "SELECT item, state, position FROM inbox_state WHERE recipient = ?", (recipient,)
            )
        }
        self._sweeps: list[tuple[int, str, int, int]] = [
            (position, state, until_ms, at_ms)
            for position, state, until_ms, at_ms in connection.execute(
                "SELECT position, state, until_ms, at_ms FROM inbox_sweep"
                " WHERE recipient = ? ORDER BY position",
                (recipient,),
            )
        ]

    def of(self, key: bytes, visible_ms: int) -> ItemState:
        """Return an item's state: its own row, and every later sweep that concerned it."""
        state, at = self._rows.get(key, (UNTOUCHED, -1))
        for position, name, until_ms, at_ms in self._sweeps:
            if position > at and visible_ms <= until_ms:
                state = changed(state, name, at_ms)
        return state


def write_changes(connection: apsw.Connection, changes: Iterable[tuple[int, StateChange]]) -> None:
    """Apply (position, change) pairs in order. The same pair again changes nothing."""
    for position, change in changes:
        connection.execute(_CHANGE, (change.recipient, position, encode(change)))
        if not change.keys:
            connection.execute(
                _SWEEP,
                (change.recipient, position, change.state, change.until_ms, change.at_ms),
            )
            continue
        states = States(connection, change.recipient)
        rows = [
            (
                change.recipient,
                key,
                _encoder.encode(changed(states.of(key, visible_ms), change.state, change.at_ms)),
                position,
            )
            for key, visible_ms in zip(change.keys, change.visible, strict=True)
        ]
        connection.executemany(_UPSERT, rows)


def read_changes(
    connection: apsw.Connection, recipient: int, position: int, limit: int
) -> Sequence[tuple[int, bytes]]:
    """Return (position, record) of the recipient's changes from *position* on."""
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT position, body FROM inbox_change WHERE recipient = ? AND position >= ?"
        " ORDER BY position LIMIT ?",
        (recipient, position, limit),
    ).fetchall()
    return [(row[0], row[1]) for row in rows]


def states_of(
    connection: apsw.Connection, recipient: int, visible: Mapping[bytes, int]
) -> Mapping[bytes, ItemState]:
    """Return the state of each key of *visible* (key → visible ms)."""
    states = States(connection, recipient)
    return {key: states.of(key, visible_ms) for key, visible_ms in visible.items()}
