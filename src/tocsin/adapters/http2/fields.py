"""
Fields of the head of an answer (RFC 7541, 6), cut here and read by a library.

Since no table is kept, each field stands for itself. Nearly all of them come again, with every
answer or within the same second, and are then looked up instead of read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from hpack import Decoder

from tocsin.adapters.http2.frames import HEAD_BYTES_MAX

RESIZED: Final = b"\x20"
"""The table was put away: what a head may begin with (RFC 7541, 6.3)."""

_INDEXED: Final = 0x80
_FULL_INDEXED: Final = 0xFF
_ADDED: Final = 0x40
_RESIZING: Final = 0x20
_LENGTH: Final = 0x7F
_KEPT_BYTES_MAX: Final = 256
"""A longer field is not kept, or few hosts could fill the memory."""
_OVERHEAD: Final = 32 - len(": \r\n")
"""What each field counts beside its line (RFC 9113, 6.5.2)."""


def lines(block: bytes) -> list[bytes]:
    """
    Return the fields of a head as lines of HTTP/1, ``:status`` too.

    Raises ValueError, or one of `hpack`'s errors, for what is no head or too long.
    """
    block = block.lstrip(RESIZED)
    found = []
    room, at = HEAD_BYTES_MAX, 0
    while at < len(block):
        end = _end(block, at)
        line = _line(block[at:end])
        room -= len(line) + _OVERHEAD
        if room < 0:
            raise ValueError("a head is too long")
        found.append(line)
        at = end
    return found


def _end(block: bytes, at: int) -> int:
    """Return where the field at *at* ends, beyond *block* for one that is not all there."""
    kind = block[at]
    if kind & _INDEXED:
        return at + 1 if kind != _FULL_INDEXED else _number(block, at + 1)[0]
    if kind & (_ADDED | _RESIZING) == _RESIZING:
        raise ValueError("a table is resized within a head")
    full = 0x3F if kind & _ADDED else 0x0F
    place = kind & full
    at += 1
    if place == full:
        at = _number(block, at)[0]
    elif not place:
        at = _end_of_text(block, at)
    return _end_of_text(block, at)


def _end_of_text(block: bytes, at: int) -> int:
    if at >= len(block):
        return at
    length = block[at] & _LENGTH
    if length < _LENGTH:
        return at + 1 + length
    at, more = _number(block, at + 1)
    return at + length + more


def _number(block: bytes, at: int) -> tuple[int, int]:
    """Return where a number ends that goes on at *at*, and what it is more (RFC 7541, 5.1)."""
    more = shift = 0
    while at < len(block):
        byte = block[at]
        at += 1
        more += (byte & 0x7F) << shift
        shift += 7
        if more > HEAD_BYTES_MAX:
            raise ValueError("a number is too large")
        if not byte & 0x80:
            break
    return at, more


def _line(field: bytes) -> bytes:
    return _known(field) if len(field) <= _KEPT_BYTES_MAX else _read(field)


@lru_cache(maxsize=2_048)
def _known(field: bytes) -> bytes:
    return _read(field)


def _read(field: bytes) -> bytes:
    decoder = Decoder(max_header_list_size=HEAD_BYTES_MAX)
    decoder.max_allowed_table_size = 0
    decoder.header_table_size = 0
    ((name, value, *_),) = decoder.decode(field, raw=True)
    return b"%b: %b\r\n" % (name, value)
