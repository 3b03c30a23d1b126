"""
Frames (RFC 9113, 4 and 6): those of each call are cut and made here, rare ones by a library.

Thousands a second are heads and bodies without padding. To make an object of each costs several
times of what it takes to look at nine bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Final

from hyperframe.frame import (
    GoAwayFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

HTTP_2: Final = "h2"
"""Its name in the handshake of TLS (RFC 9113, 3.1)."""
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
START: Final = Struct(">BHBBI")
"""Length in two parts, type, flags and stream."""
START_BYTES: Final = START.size
STREAM_MAX: Final = 2**31 - 1
"""The bit above means nothing and is not looked at (RFC 9113, 4.1)."""

DATA: Final = 0
HEADERS: Final = 1
CONTINUATION: Final = 9

END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY: Final = 0x20

WINDOW: Final = 65_535
"""How much may be sent before anything is said of it, on a stream and on all together."""
WINDOW_MAX: Final = 2**31 - 1

BODY_BYTES_MAX: Final = 16_384
"""Of a frame, unless another size was agreed on, which nobody here does."""

HEAD_BYTES_MAX: Final = 65_536
"""Of the head of an answer, however many frames it comes in."""

NO_ERROR: Final = 0x0
PROTOCOL_ERROR: Final = 0x1
REFUSED_STREAM: Final = 0x7
CANCEL: Final = 0x8


def request(stream: int, head: bytes, *, whole: bool) -> bytes:
    """Return the frame of a request's head; *whole*: no body follows. Not for more than one."""
    flags = END_HEADERS | END_STREAM if whole else END_HEADERS
    return START.pack(0, len(head), HEADERS, flags, stream) + head


def request_with(stream: int, head: bytes, body: bytes) -> bytes:
    """Return a whole request, when its body fits into one frame."""
    start = START.pack(0, len(head), HEADERS, END_HEADERS, stream)
    return b"%b%b%b%b" % (start, head, START.pack(0, len(body), DATA, END_STREAM, stream), body)


def part(stream: int, body: bytes | memoryview, *, last: bool) -> bytes:
    """Return the frame of a part of a body."""
    return START.pack(0, len(body), DATA, END_STREAM if last else 0, stream) + body


def settings(values: Mapping[int, int]) -> bytes:
    """Return what this side asks the other to keep to."""
    return SettingsFrame(0, settings=dict(values)).serialize()


def settings_seen() -> bytes:
    """Return that this side keeps to what the other asked for."""
    return SettingsFrame(0, flags=["ACK"]).serialize()


def pong(said: bytes) -> bytes:
    """Return the answer to a ping."""
    return PingFrame(0, opaque_data=said, flags=["ACK"]).serialize()


def room(stream: int, more: int) -> bytes:
    """Return that so many bytes *more* may be sent; *stream* 0 is all of them together."""
    return WindowUpdateFrame(stream, window_increment=more).serialize()


def reset(stream: int, code: int) -> bytes:
    """Return the end of a stream before its time."""
    return RstStreamFrame(stream, error_code=code).serialize()


def farewell(code: int) -> bytes:
    """Return the end of the connection; nothing of the other side's is under way here."""
    return GoAwayFrame(0, last_stream_id=0, error_code=code).serialize()
