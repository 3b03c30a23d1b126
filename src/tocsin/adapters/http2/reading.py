"""What the other side sends, cut into frames: plain ones here, all others by a library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hyperframe.frame import DataFrame, Frame, HeadersFrame, PushPromiseFrame

from tocsin.adapters.http2 import frames

_PLAIN_HEAD: Final = frames.PADDED | frames.PRIORITY | frames.END_HEADERS

TakeHead = Callable[[int, bytes, int], None]
"""Takes a stream, a whole head and the flags of its frame."""
TakePart = Callable[[int, bytes, int, int], None]
"""Takes a stream, a part of a body, the flags and what counts of it, its padding with it."""
TakeControl = Callable[[Frame], None]


class Wrong(Exception):
    """The other side does not keep to the protocol."""


class Reading:
    """
    Hands over frame by frame, however what comes is cut.

    Raises `Wrong`, or one of `hyperframe`'s errors, for what is no HTTP/2; then nothing more can be
    read.
    """

    def __init__(self, take_head: TakeHead, take_part: TakePart, take_control: TakeControl) -> None:
        self._take_head = take_head
        self._take_part = take_part
        self._take_control = take_control
        self._rest = b""
        self._partial: tuple[int, int, bytes] | None = None

    def take(self, data: bytes) -> None:
        """Hand over every frame that is whole with *data*, and keep the rest."""
        rest = self._rest + data if self._rest else data
        at, end = 0, len(rest)
        while end - at >= frames.START_BYTES:
            high, low, kind, flags, number = frames.START.unpack_from(rest, at)
            number &= frames.STREAM_MAX
            if high or low > frames.BODY_BYTES_MAX:
                raise Wrong
            start = at + frames.START_BYTES
            after = start + low
            if after > end:
                break
            if self._partial is not None and kind != frames.CONTINUATION:
                raise Wrong
            if kind == frames.HEADERS and flags & _PLAIN_HEAD == frames.END_HEADERS:
                self._take_head(number, rest[start:after], flags)
            elif kind == frames.DATA and not flags & frames.PADDED:
                self._take_part(number, rest[start:after], flags, low)
            elif kind == frames.CONTINUATION:
                self._take_more_head(number, rest[start:after], flags)
            else:
                self._take_rare(rest[at:start], rest[start:after], flags)
            at = after
        self._rest = rest[at:]

    def _take_rare(self, start: bytes, rest: bytes, flags: int) -> None:
        frame, _ = Frame.parse_frame_header(memoryview(start))
        frame.parse_body(memoryview(rest))
        match frame:
            case DataFrame():
                self._take_part(frame.stream_id, bytes(frame.data), flags, len(rest))
            case HeadersFrame() if flags & frames.END_HEADERS:
                self._take_head(frame.stream_id, bytes(frame.data), flags)
            case HeadersFrame():
                self._partial = (frame.stream_id, flags, bytes(frame.data))
            case PushPromiseFrame():
                # It was told that nobody here wants any.
                raise Wrong
            case _:
                self._take_control(frame)

    def _take_more_head(self, number: int, more: bytes, flags: int) -> None:
        if self._partial is None or self._partial[0] != number:
            raise Wrong
        _, first, block = self._partial
        if len(block) + len(more) > frames.HEAD_BYTES_MAX:
            raise Wrong
        if flags & frames.END_HEADERS:
            self._partial = None
            self._take_head(number, block + more, first)
        else:
            self._partial = number, first, block + more
