"""
The entries of the inbox index: one per item, 40 bytes, all that lists and counts need.

    0           4                  18                            29           35
    | recipient | place            | key without the recipient   | expires ms | spare
    | 32 bit    | 14 bytes         | 11 bytes                    | 48 bit     | 40 bit

*place* is | visible ms 48 bit | stream 8 bit | partition 8 bit | position 48 bit |, all of it
big-endian, so that entries of one recipient sort by the time at which they became visible.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

ENTRY_BYTES: Final = 40
KEY_BYTES: Final = 4
PLACE_BYTES: Final = 14

_ENTRY = struct.Struct(">IHIBBHI11sHI5x")
_UNPACK = struct.Struct(">IHIBBHI11sHI")


class Entry(NamedTuple):
    """An item without its body."""

    place: bytes
    key: bytes
    visible_ms: int
    stream: int
    partition: int
    position: int
    expires_ms: int | None


def pack(
    recipient: int,
    visible_ms: int,
    stream: int,
    partition: int,
    position: int,
    key: bytes,
    expires_ms: int | None,
) -> bytes:
    """Return the entry of one item."""
    expires = expires_ms or 0
    return _ENTRY.pack(
        recipient,
        visible_ms >> 32,
        visible_ms & 0xFFFFFFFF,
        stream,
        partition,
        position >> 32,
        position & 0xFFFFFFFF,
        key[:11],
        expires >> 32,
        expires & 0xFFFFFFFF,
    )


def unpack(entry: bytes) -> Entry:
    """Read an entry."""
    recipient, high, low, stream, partition, far, near, head, late, soon = _UNPACK.unpack_from(
        entry
    )
    expires_ms = late << 32 | soon
    return Entry(
        entry[4 : 4 + PLACE_BYTES],
        head + recipient.to_bytes(5, "big"),
        high << 32 | low,
        stream,
        partition,
        far << 32 | near,
        expires_ms or None,
    )


def place(visible_ms: int, stream: int, partition: int, position: int) -> bytes:
    """Return the place of an item that has no entry of its own: a broadcast."""
    return visible_ms.to_bytes(6, "big") + bytes((stream, partition)) + position.to_bytes(6, "big")


def covers(place: bytes, until: Sequence[int]) -> bool:
    """Return whether the item at *place* lies below *until*, a position for each stream."""
    stream = place[6]
    return stream < len(until) and int.from_bytes(place[8:], "big") < until[stream]
