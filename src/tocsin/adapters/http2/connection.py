"""
One connection of HTTP/2 as its client (RFC 9113).

All requests of one turn of the loop leave in one write, and all answers of one read are told in
one turn, so that with many calls under way the way through TLS and the kernel is shared by many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from hyperframe.exceptions import HyperframeError
from hyperframe.frame import (
    Frame,
    GoAwayFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tocsin.adapters.http2 import frames
from tocsin.adapters.http2.heads import Head
from tocsin.adapters.http2.reading import Reading, Wrong
from tocsin.adapters.http2.stream import UNSEEN, Said, Stream
from tocsin.ports.transport import Answer, NoAnswer, NoAnswerReason

_OURS: Final = 2**24
"""How much this side lets the other send before it says that there is room again."""
_UNSENT_MAX: Final = 2**20
_OWED_MAX: Final = 1_000
"""What the other side may ask to be told, in frames, before it reads any of it."""
_STREAMS_MAX: Final = 2**30
"""After so many a connection is left, long before the numbers of streams run out."""
_FINAL: Final = 200
_BROKEN: Final = NoAnswer(NoAnswerReason.BROKEN, sent=True)
_TIMED_OUT: Final = NoAnswer(NoAnswerReason.TIMED_OUT, sent=True)


class Connection(asyncio.Protocol):
    """
    Carries requests of which it has been told that there is `room`.

    A request that is on its way when the connection ends, or that the other side resets, ends as
    *unknown*, unless the other side has said that it did not look at it.
    """

    def __init__(
        self, changed: Callable[[Connection], None], *, streams_max: int, answer_bytes_max: int
    ) -> None:
        """*changed* is called when there may be room again, and when there is none any more."""
        self._loop = asyncio.get_running_loop()
        self._changed = changed
        self._answer_bytes_max = answer_bytes_max
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, Stream] = {}
        self._unsent: dict[int, Stream] = {}
        self._next = 1
        self._ours_max = self._streams_max = streams_max
        self._room = self._stream_room = frames.WINDOW
        self._read = 0
        self._reading = Reading(self._take_head, self._take_part, self._take_control)
        self._out: list[bytes] = []
        self._paused = False
        self._owed = 0
        self._leaving = False
        self._timer: asyncio.TimerHandle | None = None
        self.greeted: asyncio.Future[None] = self._loop.create_future()
        """Done when the other side has said what it wants kept to, or nothing more comes."""
        self.lost: asyncio.Future[None] = self._loop.create_future()
        """Done when there is nothing left of it."""
        self.speaks_http_2 = False
        """Whether that was agreed on when the connection was made."""
        self.heard_s = self._loop.time()
        """When anything came last, in the loop's time."""

    @property
    def room(self) -> int:
        """How many requests more it takes now."""
        if self._leaving or self._paused or not self.greeted.done():
            return 0
        return self._streams_max - len(self._streams)

    @property
    def over(self) -> bool:
        """Whether it takes no request any more."""
        return self._leaving

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._streams

    def begin(self, head: bytes, body: bytes, due_s: float) -> tuple[int, asyncio.Future[Said]]:
        """Send a request; returns its stream and what will have come of it by *due_s*."""
        number = self._next
        self._next = number + 2
        if number > _STREAMS_MAX:
            self._leaving = True
        end: asyncio.Future[Said] = self._loop.create_future()
        stream = Stream(end, body, self._stream_room, self.heard_s, due_s)
        self._streams[number] = stream
        if not body or len(body) > min(self._room, self._stream_room, frames.BODY_BYTES_MAX):
            stream.body = memoryview(body)
            self._send(frames.request(number, head, whole=not body))
            self._send_body(number, stream)
        else:
            self._room -= len(body)
            self._send(frames.request_with(number, head, body))
        if self._timer is None or self._timer.when() > due_s:
            self._set_timer(due_s)
        return number, end

    def give_up(self, number: int) -> None:
        """End a request that nobody waits for any more."""
        if self._drop(number) is not None:
            self._send(frames.reset(number, frames.CANCEL))
            self._settle()

    def leave(self) -> None:
        """Take no request any more; the connection ends with the last that is under way."""
        self._leaving = True
        self._settle()

    def close(self) -> None:
        """End the connection; what is under way ends as cancelled."""
        for stream in self._streams.values():
            stream.end.cancel()
        self.end(frames.NO_ERROR)

    def end(self, code: int) -> None:
        """End the connection now; nothing is said any more."""
        self._leaving = True
        if self._transport is not None and not self._transport.is_closing():
            self._out.append(frames.farewell(code))
            self._flush()
            self._transport.close()
        self._end_all()

    def abort(self) -> None:
        """Let go of the connection without waiting for the other side."""
        if self._transport is not None:
            self._transport.abort()

    def _settle(self) -> None:
        """End once nothing is left to wait for; until then, tell that there may be room."""
        if self._leaving and not self._streams:
            self.end(frames.NO_ERROR)
        else:
            self._changed(self)

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say what is asked of the other side: no pushes, no table, room for answers."""
        # No class of asyncio's own: what uvloop has for TLS is none.
        self._transport = cast("asyncio.Transport", transport)
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() != frames.HTTP_2:
            self.abort()
            return
        self.speaks_http_2 = True
        self._transport.set_write_buffer_limits(_UNSENT_MAX)
        wishes = {
            SettingsFrame.HEADER_TABLE_SIZE: 0,
            SettingsFrame.ENABLE_PUSH: 0,
            SettingsFrame.INITIAL_WINDOW_SIZE: frames.WINDOW,
            SettingsFrame.MAX_HEADER_LIST_SIZE: frames.HEAD_BYTES_MAX,
        }
        self._send(frames.PREFACE + frames.settings(wishes) + frames.room(0, _OURS - frames.WINDOW))

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing more comes."""
        del error
        self._leaving = True
        self._transport = None
        self.lost.set_result(None)
        self._greet()
        self._end_all()

    def eof_received(self) -> None:
        """Let no request come that nobody reads: the loop closes, and tells a moment later."""
        self._leaving = True
        self._changed(self)

    def _greet(self) -> None:
        if not self.greeted.done():
            self.greeted.set_result(None)

    def pause_writing(self) -> None:
        """Let no request come that could not leave."""
        self._paused = True

    def resume_writing(self) -> None:
        """Let requests come again."""
        self._paused = False
        self._owed = 0
        self._changed(self)

    def data_received(self, data: bytes) -> None:
        """Take what has come, frame by frame."""
        self.heard_s = self._loop.time()
        try:
            self._reading.take(data)
        except (HyperframeError, Wrong):
            self.end(frames.PROTOCOL_ERROR)
            return
        if self._read > _OURS // 2:
            self._send(frames.room(0, self._read))
            self._read = 0
        self._settle()

    # Answers.

    def _take_head(self, number: int, block: bytes, flags: int) -> None:
        stream = self._stream(number)
        if stream is None:
            return
        if not stream.status:
            head = Head(block)
            status = head.status
            # One below 200 is an answer before the answer, such as 103 Early Hints.
            if status is None or (status < _FINAL and flags & frames.END_STREAM):
                raise Wrong
            if status < _FINAL:
                return
            stream.status, stream.head = status, head
        if flags & frames.END_STREAM:
            self._answered(number, stream)

    def _stream(self, number: int) -> Stream | None:
        """Return a stream; None for one that has ended here, as the other side may not know yet."""
        stream = self._streams.get(number)
        if stream is None and (number >= self._next or not number & 1):
            raise Wrong
        return stream

    def _take_part(self, number: int, part: bytes, flags: int, counted: int) -> None:
        """*counted* is what the part took of the room, its padding with it."""
        self._read += counted
        stream = self._stream(number)
        if stream is None:
            return
        if not stream.status:
            raise Wrong
        if part:
            stream.parts.append(part)
        stream.bytes += counted
        if flags & frames.END_STREAM:
            self._answered(number, stream)
        elif stream.bytes > self._answer_bytes_max:
            # Longer than anybody reads; what it says is in its status.
            self._send(frames.reset(number, frames.CANCEL))
            self._answered(number, stream)
        elif counted:
            self._send(frames.room(number, counted))

    def _answered(self, number: int, stream: Stream) -> None:
        if number in self._unsent:
            self._send(frames.reset(number, frames.CANCEL))
        body = stream.parts[0] if len(stream.parts) == 1 else b"".join(stream.parts)
        self._tell(number, Answer(stream.status, stream.head, body))

    def _tell(self, number: int, said: Said) -> None:
        if (stream := self._drop(number)) is not None and not stream.end.done():
            stream.end.set_result(said)

    def _tell_end(self, number: int, *, unseen: bool) -> None:
        """Whoever has begun to answer has looked, whatever it says."""
        stream = self._streams.get(number)
        seen = stream is not None and stream.status
        self._tell(number, UNSEEN if unseen and not seen else _BROKEN)

    def _drop(self, number: int) -> Stream | None:
        self._unsent.pop(number, None)
        return self._streams.pop(number, None)

    def _end_all(self) -> None:
        for number in list(self._streams):
            self._tell(number, _BROKEN)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._changed(self)

    # What is about streams, or all of them.

    def _take_control(self, frame: Frame) -> None:
        """Take what is about a stream or all of them; what is of no known kind is let be."""
        match frame:
            case SettingsFrame() | PingFrame() if "ACK" in frame.flags:
                pass
            case SettingsFrame():
                self._take_settings(frame.settings)
            case PingFrame():
                self._send_back(frames.pong(frame.opaque_data))
            case WindowUpdateFrame():
                self._take_room(frame.stream_id, frame.window_increment)
            case RstStreamFrame():
                unseen = frame.error_code == frames.REFUSED_STREAM
                self._tell_end(frame.stream_id, unseen=unseen)
            case GoAwayFrame():
                self._take_farewell(frame.last_stream_id)
            case _:
                pass

    def _take_settings(self, said: dict[int, int]) -> None:
        streams = said.get(SettingsFrame.MAX_CONCURRENT_STREAMS)
        if streams is not None:
            self._streams_max = min(streams, self._ours_max)
        window = said.get(SettingsFrame.INITIAL_WINDOW_SIZE)
        if window is not None:
            if window > frames.WINDOW_MAX:
                raise Wrong
            for stream in self._unsent.values():
                # May be negative from here on (RFC 9113, 6.9.2).
                stream.room += window - self._stream_room
            self._stream_room = window
        self._send_back(frames.settings_seen())
        self._greet()
        self._go_on()

    def _take_room(self, number: int, more: int) -> None:
        if number == 0:
            self._room += more
            if self._room > frames.WINDOW_MAX:
                raise Wrong
        elif (stream := self._unsent.get(number)) is not None:
            stream.room += more
            if stream.room > frames.WINDOW_MAX:
                raise Wrong
        self._go_on()

    def _take_farewell(self, last: int) -> None:
        self._leaving = True
        for number in [each for each in self._streams if each > last]:
            self._tell_end(number, unseen=True)

    # What is sent.

    def _go_on(self) -> None:
        for number, stream in list(self._unsent.items()):
            self._send_body(number, stream)

    def _send_body(self, number: int, stream: Stream) -> None:
        """Send as much of the body as there is room for, and keep the rest."""
        rest = stream.body
        while rest:
            count = min(len(rest), stream.room, self._room, frames.BODY_BYTES_MAX)
            if count <= 0:
                stream.body = rest
                self._unsent[number] = stream
                return
            part, rest = rest[:count], rest[count:]
            stream.room -= count
            self._room -= count
            self._send(frames.part(number, part, last=not rest))
        self._unsent.pop(number, None)

    def _send_back(self, said: bytes) -> None:
        """Send what the other side wants to be told; who asks on and reads nothing is left."""
        self._owed += self._paused
        if self._owed > _OWED_MAX:
            raise Wrong
        self._send(said)

    def _send(self, said: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(said)

    def _flush(self) -> None:
        out, self._out = self._out, []
        # A loop may hand over what it has read while the end is still on its way.
        if self._transport is not None and out and not self._transport.is_closing():
            self._transport.write(b"".join(out))

    # What takes too long.

    def _set_timer(self, due_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due_s, self._look)

    def _look(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        for number, stream in list(self._streams.items()):
            if stream.due_s <= now_s:
                if self.heard_s == stream.begun_s:
                    # Nobody may be there any more; those behind it must not wait as long.
                    self._leaving = True
                self._send(frames.reset(number, frames.CANCEL))
                self._tell(number, _TIMED_OUT)
        if self._streams:
            self._set_timer(min(stream.due_s for stream in self._streams.values()))
        self._settle()
