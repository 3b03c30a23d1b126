"""Broadcasts: one row per chunk, merged into a person's inbox when it is read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import apsw
from pyroaring import BitMap

from tocsin.adapters.sqlite.inbox_entries import place
from tocsin.domain.follow import INBOX
from tocsin.domain.ids import EventKey, notification_key
from tocsin.domain.reasons import Reason
from tocsin.domain.records import Broadcast, Poison, decode, encode

BROADCAST_STREAM: Final = 4
BLOCK_SHIFT: Final = 16
_BLOCKS_HELD: Final = 64


@dataclass(frozen=True, slots=True)
class Shown:
    """A chunk that shows an item to some of its block."""

    position: int
    record: Broadcast
    receivers: BitMap
    place: bytes


class Broadcasts:
    """The chunks of a few blocks, read once and kept."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[int, list[Shown]] = OrderedDict()

    def write(self, connection: apsw.Connection, position: int, record: Broadcast) -> None:
        """Store one chunk; writing it again changes nothing."""
        connection.execute(
            "INSERT INTO inbox_broadcast (block, position, body) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (record.block, position, encode(record)),
        )

    def forget(self, block: int) -> None:
        """Read *block* anew at the next look: a chunk of it became durable."""
        self._blocks.pop(block, None)

    def of(self, connection: apsw.Connection, recipient: int) -> Iterator[tuple[Shown, bytes]]:
        """Yield (chunk, notification key) of what *recipient* gets, newest first."""
        for shown in self._block(connection, recipient >> BLOCK_SHIFT):
            if recipient in shown.receivers:
                record = shown.record
                key = notification_key(EventKey(record.event), record.index, recipient)
                yield shown, key

    def _block(self, connection: apsw.Connection, block: int) -> list[Shown]:
        held = self._blocks.get(block)
        if held is None:
            rows = connection.execute(
                "SELECT position, body FROM inbox_broadcast WHERE block = ?", (block,)
            )
            held = [shown for position, body in rows for shown in _shown(position, body)]
            held.sort(key=_newest, reverse=True)
            self._blocks[block] = held
            while len(self._blocks) > _BLOCKS_HELD:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(block)
        return held


def _newest(shown: Shown) -> bytes:
    return shown.place


def _shown(position: int, body: bytes) -> Iterator[Shown]:
    record = decode(body)
    if isinstance(record, Poison) or not isinstance(record, Broadcast) or record.channel != INBOX:
        return
    receivers = record.by_reason.get(Reason.SEND)
    if receivers is not None:
        where = place(record.visible_ms, BROADCAST_STREAM, 0, position)
        yield Shown(position, record, BitMap.deserialize(receivers), where)
