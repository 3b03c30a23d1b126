"""RFC 6455 frames: what the server writes, and what it reads from its clients.

Pure code: no I/O and no clock. The server offers no extensions, so every reserved bit is an
error, and it writes each message as one unfragmented, unmasked frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005
INVALID_DATA: Final = 1007
TOO_BIG: Final = 1009

_FIN: Final = 0x80
_MASKED: Final = 0x80
_RESERVED: Final = 0x70
_OPCODE: Final = 0x0F
_SIZE: Final = 0x7F
_MASK_BYTES: Final = 4

_MAX_CONTROL_BYTES: Final = 125
_SIZE_IN_2_BYTES: Final = 126
_MIN_8_BYTE_SIZE: Final = 1 << 16
_MAX_8_BYTE_SIZE: Final = (1 << 63) - 1

# RFC 6455 section 7.4 and IANA's registry: what may travel in a Close frame. 1004, 1005, 1006
# and 1015 are for local use only.
_CLOSE_CODES: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})

_SHORT_TEXT_HEADS: Final = tuple(bytes((_FIN | TEXT, size)) for size in range(_SIZE_IN_2_BYTES))

Message: TypeAlias = tuple[int, bytes]
"""An opcode (TEXT, BINARY, CLOSE, PING or PONG) and the whole, unmasked payload."""


class FrameError(Exception):
    """The peer broke the protocol; `code` is the status to close the connection with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def text_frame(payload: bytes) -> bytes:
    """Frame one text message; `payload` is UTF-8, which is not checked here."""
    size = len(payload)
    if size < _SIZE_IN_2_BYTES:
        return _SHORT_TEXT_HEADS[size] + payload
    if size < _MIN_8_BYTE_SIZE:
        return b"\x81\x7e" + size.to_bytes(2) + payload
    return b"\x81\x7f" + size.to_bytes(8) + payload


def ping_frame(payload: bytes = b"") -> bytes:
    """Frame a ping of at most 125 bytes."""
    return _control_frame(PING, payload)


def pong_frame(payload: bytes) -> bytes:
    """Frame the answer to a ping, which carries the ping's own payload."""
    return _control_frame(PONG, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """Frame a Close; `NO_STATUS` gives an empty one, the answer to an empty one.

    Raises ValueError for a code that may not travel and for a reason over 123 bytes.
    """
    if code == NO_STATUS:
        return _control_frame(CLOSE, b"")
    if code not in _CLOSE_CODES:
        raise ValueError(f"{code} is not a close code that may be sent")
    return _control_frame(CLOSE, code.to_bytes(2) + reason.encode())


def close_code(payload: bytes) -> int:
    """Return the status of a Close frame's payload as the parser passed it."""
    return int.from_bytes(payload[:2]) if payload else NO_STATUS


def _control_frame(opcode: int, payload: bytes) -> bytes:
    if len(payload) > _MAX_CONTROL_BYTES:
        raise ValueError("a control frame holds at most 125 bytes")
    return bytes((_FIN | opcode, len(payload))) + payload


class FrameParser:
    """Reads the frames of one client, in any pieces.

    Holds the bytes of an unfinished frame and of an unfinished message, together at most
    `max_message_bytes` plus one frame's head, and nothing between messages.
    """

    __slots__ = ("_max_message_bytes", "_message", "_opcode", "_rest")

    def __init__(self, max_message_bytes: int) -> None:
        self._max_message_bytes = max_message_bytes
        self._opcode = CONTINUATION
        self._message: bytearray | None = None
        self._rest: bytearray | None = None

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages and control frames that `data` completes, in order.

        Raises FrameError at the first violation, after all that came before it; the parser is
        of no use afterwards. Nothing after a Close frame is read. The iterator must be
        exhausted, or the connection given up.
        """
        buffer: bytes | bytearray = data
        if self._rest is not None:
            self._rest += data
            buffer = self._rest
        start = 0
        while (found := self._find(buffer, start)) is not None:
            first, begin, end = found
            payload = _unmask(buffer[begin - _MASK_BYTES : begin], buffer[begin:end])
            start = end
            opcode = first & _OPCODE
            if opcode < CLOSE:
                if (message := self._assemble(first, payload)) is not None:
                    yield message
                continue
            if opcode == CLOSE:
                _check_close(payload)
                yield CLOSE, payload
                return
            yield opcode, payload
        self._keep(buffer, start)

    def _keep(self, buffer: bytes | bytearray, start: int) -> None:
        if start == len(buffer):
            self._rest = None
        elif buffer is self._rest:
            del self._rest[:start]
        else:
            self._rest = bytearray(buffer[start:])

    def _find(self, buffer: bytes | bytearray, start: int) -> tuple[int, int, int] | None:
        """Return a whole frame's first byte and its payload's bounds, or None for too few bytes.

        Judges the head as soon as it is there, so that an oversized frame is never buffered.
        """
        available = len(buffer) - start
        if available < 2:
            return None
        first, size = buffer[start], buffer[start + 1]
        self._check_head(first, size)
        size &= _SIZE
        begin = start + 2
        if size >= _SIZE_IN_2_BYTES:
            begin += 2 if size == _SIZE_IN_2_BYTES else 8
            if len(buffer) < begin:
                return None
            size = _long_size(buffer[start + 2 : begin])
        if first & _OPCODE < CLOSE:
            self._check_size(size)
        begin += _MASK_BYTES
        return (first, begin, begin + size) if len(buffer) >= begin + size else None

    def _check_head(self, first: int, second: int) -> None:
        if first & _RESERVED:
            raise FrameError(PROTOCOL_ERROR, "reserved bits are set")
        if not second & _MASKED:
            raise FrameError(PROTOCOL_ERROR, "frame is not masked")
        opcode = first & _OPCODE
        if opcode >= CLOSE:
            _check_control_head(first, second)
        elif opcode > BINARY:
            raise FrameError(PROTOCOL_ERROR, "unknown opcode")
        elif (opcode == CONTINUATION) == (self._message is None):
            raise FrameError(PROTOCOL_ERROR, "fragments are out of order")

    def _check_size(self, size: int) -> None:
        held = 0 if self._message is None else len(self._message)
        if held + size > self._max_message_bytes:
            raise FrameError(TOO_BIG, "message is too big")

    def _assemble(self, first: int, payload: bytes) -> Message | None:
        """Return the message that this data frame completes, if it completes one."""
        opcode = first & _OPCODE
        final = first & _FIN
        if self._message is None:
            if not final:
                self._opcode, self._message = opcode, bytearray(payload)
                return None
        else:
            self._message += payload
            if not final:
                return None
            opcode, payload = self._opcode, bytes(self._message)
            self._message = None
        if opcode == TEXT:
            _check_text(payload)
        return opcode, payload


def _check_control_head(first: int, second: int) -> None:
    if first & _OPCODE > PONG:
        raise FrameError(PROTOCOL_ERROR, "unknown opcode")
    if not first & _FIN:
        raise FrameError(PROTOCOL_ERROR, "control frame is fragmented")
    if second & _SIZE > _MAX_CONTROL_BYTES:
        raise FrameError(PROTOCOL_ERROR, "control frame is too long")


def _check_text(payload: bytes) -> None:
    if payload.isascii():
        return
    try:
        payload.decode()
    except UnicodeDecodeError:
        # The error would carry the payload, which is somebody's data.
        raise FrameError(INVALID_DATA, "text is not UTF-8") from None


def _check_close(payload: bytes) -> None:
    if not payload:
        return
    if close_code(payload) not in _CLOSE_CODES or len(payload) == 1:
        raise FrameError(PROTOCOL_ERROR, "invalid close code")
    _check_text(payload[2:])


def _long_size(encoded: bytes | bytearray) -> int:
    """Read an extended payload length, which must be the shortest form (section 5.2)."""
    size = int.from_bytes(encoded)
    shortest = _SIZE_IN_2_BYTES if len(encoded) == 2 else _MIN_8_BYTE_SIZE
    if not shortest <= size <= _MAX_8_BYTE_SIZE:
        raise FrameError(PROTOCOL_ERROR, "invalid payload length")
    return size


def _unmask(mask: bytes | bytearray, payload: bytes | bytearray) -> bytes:
    # One XOR of two big integers: linear, and without a Python loop over the bytes.
    size = len(payload)
    whole, rest = divmod(size, _MASK_BYTES)
    repeated = mask * whole + mask[:rest]
    return (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(size)
