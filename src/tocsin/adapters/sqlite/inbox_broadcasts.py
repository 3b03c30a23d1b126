"""Broadcasts: one row per chunk, merged into a person's inbox when it is read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import apsw
from pyroaring import BitMap

from tocsin.adapters.sqlite.inbox_entries import place
from tocsin.domain.channels import INBOX
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


@dataclass(frozen=True, slots=True)
class _Block:
    """The chunks of one block, newest first; complete below the position ``end``."""

    end: int
    chunks: list[Shown]


class Broadcasts:
    """
    The chunks of a few blocks, read once and kept.

    Reader threads fill it, each from a snapshot of its own. So what is held says up to which
    position it is complete, and is used only if no chunk of its block came after that.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[int, _Block] = OrderedDict()
        self._lock = threading.Lock()
        self._ends: dict[int, int] = {}

    def write(self, connection: apsw.Connection, position: int, record: Broadcast) -> None:
        """Store one chunk; writing it again, at whatever position, changes nothing."""
        if record.channel != INBOX:
            return
        connection.execute(
            "INSERT INTO inbox_broadcast (block, position, fanout, step, part, body)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                record.block,
                position,
                record.fanout,
                record.step,
                record.part,
                encode(record),
            ),
        )

    def note(self, position: int, block: int) -> None:
        """A chunk of *block* at *position* has become durable."""
        self._ends[block] = max(position + 1, self._ends.get(block, 0))

    def of(
        self, connection: apsw.Connection, recipient: int, end: int
    ) -> Iterator[tuple[Shown, bytes]]:
        """
        Yield (chunk, notification key) of what *recipient* gets, newest first, below *end*.

        *end* is from before the connection's snapshot.
        """
        for shown in self._block(connection, recipient >> BLOCK_SHIFT, end):
            if recipient in shown.receivers and shown.position < end:
                record = shown.record
                key = notification_key(EventKey(record.event), record.index, recipient)
                yield shown, key

    def _block(self, connection: apsw.Connection, block: int, end: int) -> list[Shown]:
        with self._lock:
            held = self._held.get(block)
            # Chunks of this block that lie below *end* are below both.
            if held is not None and held.end >= min(end, self._ends.get(block, 0)):
                self._held.move_to_end(block)
                return held.chunks
        rows = connection.execute(
            "SELECT position, body FROM inbox_broadcast WHERE block = ? ORDER BY position",
            (block,),
        )
        firsts: dict[tuple[bytes, int, int], Shown] = {}
        for position, body in rows:
            for shown in _shown(position, body):
                record = shown.record
                firsts.setdefault((record.fanout, record.step, record.part), shown)
        chunks = sorted(firsts.values(), key=_newest, reverse=True)
        with self._lock:
            known = self._held.get(block)
            if known is None or known.end <= end:
                self._held[block] = _Block(end, chunks)
            while len(self._held) > _BLOCKS_HELD:
                self._held.popitem(last=False)
        return chunks


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
