"""
What simulators of vendors with an HTTP API over TLS share: HTTP/2, and HTTP/1.1 where they have it.

A lost reply is a stream that is reset, so that the others of its connection go on. A connection that
has served its time is ended as HTTP/2 has it (RFC 9113, 6.8): what was begun is answered, what comes
later is not looked at. Nor is a stream for which there is no room: it is refused as one that may be
asked for again (8.7).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from tocsin.channels.simulating import Breakable
from tocsin.channels.simulating_http import BODILESS, BODY_MAX, HttpSimulating, Reply, Request
from tocsin.channels.simulating_tls import Keeping, Proof
from tocsin.ports.simulator import Stage

H2: Final = "h2"
HTTP_1: Final = "http/1.1"


class TlsSimulating(HttpSimulating):
    """`HttpSimulating` over TLS; a folder's simulator calls `_listen_for_tls`."""

    protocols: tuple[str, ...] = (H2, HTTP_1)
    streams_max = 1_000
    """The most streams of one connection."""
    streams_first = 1_000
    """How many before the first call was taken."""
    calls_max = 100_000
    """How many calls of one connection are answered before it is ended."""
    bad_max = 100_000
    """How many of these may be what `is_bad` says."""

    def __init__(self) -> None:
        super().__init__()
        self._keeping: Keeping | None = None
        self.ended = 0
        """How many connections it has ended by itself."""
        self.refuse_next = 0
        """How many of the streams that come next are refused, whatever room there is."""

    async def _listen_for_tls(self, stage: Stage | None) -> Proof:
        """Listen; returns what proves who this is."""
        if self._keeping is None:
            self._keeping = Keeping(None if stage is None else stage.log)
        try:
            proof = self._keeping.proof(self.provider)
            streams = self._streams(self._serve)
            await self._open(stage, lambda: _Chosen(self, streams), self._context(proof))
        except BaseException:
            # Nobody closes what never listened.
            self._forget()
            raise
        return proof

    def _context(self, proof: Proof) -> ssl.SSLContext:
        return proof.server_context(*self.protocols)

    async def close(self) -> None:
        """Break off every connection, and forget what was temporary."""
        try:
            await super().close()
        finally:
            self._forget()

    def _forget(self) -> None:
        if self._keeping is not None:
            self._keeping.close()
            self._keeping = None

    def is_bad(self, reply: Reply) -> bool:
        """Return whether who is answered so often enough is sent away."""
        return False

    def parting(self, reply: Reply) -> bytes:
        """Note that a connection is ended after *reply*; return what is said to whose it is."""
        self.ended += 1
        return b""

    def has_room(self, begun: int, allowed: int) -> bool:
        """Return whether a stream is looked at beside those *begun*, of which so many may be."""
        if self.refuse_next:
            self.refuse_next -= 1
            return False
        return begun < allowed

    def connected(self, transport: Breakable) -> None:
        """Note a connection."""
        self._connected(transport)

    def gone(self, transport: Breakable) -> None:
        """Forget it."""
        self._gone(transport)


class _Served(Protocol):
    protocols: tuple[str, ...]
    streams_max: int
    streams_first: int
    calls_max: int
    bad_max: int

    @property
    def early(self) -> int | None: ...
    async def reply_to(self, request: Request) -> Reply | None: ...
    def is_bad(self, reply: Reply) -> bool: ...
    def parting(self, reply: Reply) -> bytes: ...
    def has_room(self, begun: int, allowed: int) -> bool: ...
    def connected(self, transport: Breakable) -> None: ...
    def gone(self, transport: Breakable) -> None: ...


class _Chosen(asyncio.Protocol):
    """Waits until the two sides have agreed on a protocol, and steps aside for it."""

    def __init__(self, served: _Served, streams: Callable[[], asyncio.BaseProtocol]) -> None:
        self._served = served
        self._streams = streams

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not all loops' transports say of themselves that they are asyncio's: uvloop's do not.
        over = cast("asyncio.Transport", transport)
        secured: ssl.SSLObject = over.get_extra_info("ssl_object")
        inner: asyncio.BaseProtocol
        agreed = secured.selected_alpn_protocol()
        if agreed == H2 or (agreed is None and HTTP_1 not in self._served.protocols):
            inner = _Http2(self._served)
        else:
            inner = self._streams()
        over.set_protocol(inner)
        inner.connection_made(transport)


class _Open:
    """A request that is arriving."""

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self.pseudo = {name: value for name, value in headers if name.startswith(":")}
        self.headers = {name: value for name, value in headers if not name.startswith(":")}
        self.headers.setdefault("host", self.pseudo.get(":authority", ""))
        self.parts: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        self.parts.append(data)
        self.size += len(data)

    def request(self, connection: int, client: str | None) -> Request:
        body = b"".join(self.parts)
        method, target = self.pseudo.get(":method", ""), self.pseudo.get(":path", "")
        lines = [f"{method} {target} HTTP/2", *(f"{n}: {v}" for n, v in self.headers.items())]
        head = "\r\n".join(lines).encode("utf-8", "replace")
        raw = head + b"\r\n\r\n" + body
        return Request(method, target, self.headers, body, raw, connection, client)


class _Http2(asyncio.Protocol):
    """One connection; each stream is answered by a task of its own."""

    def __init__(self, served: _Served) -> None:
        self._served = served
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._transport: asyncio.Transport | None = None
        self._client: str | None = None
        self._streams = 0
        self._open: dict[int, _Open] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._unsent: dict[int, memoryview] = {}
        self._begun = 0
        """The last stream that was looked at."""
        self._ending = False
        self._answered = 0
        self._bad = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._streams = self._served.streams_first
        self._client = _common_name(self._transport.get_extra_info("peercert"))
        self._served.connected(self._transport)
        self._h2.initiate_connection()
        # After what h2 begins with, which names another number: what is said last counts.
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self._streams})
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._transport is not None
        self._served.gone(self._transport)
        for task in self._tasks.values():
            task.cancel()

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        try:
            for event in self._h2.receive_data(data):
                self._heed(event)
        except ProtocolError:
            self._flush()
            self._transport.close()
            return
        self._flush()

    def _heed(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._receive(event)
            case DataReceived():
                self._take(event)
            case StreamEnded():
                self._begin(event.stream_id)
            case StreamReset():
                self._forget(event.stream_id)
            case WindowUpdated():
                for stream in tuple(self._unsent):
                    self._send_more(stream)
            case _:
                pass

    def _receive(self, event: RequestReceived) -> None:
        assert event.stream_id is not None
        if self._served.has_room(len(self._open) + len(self._tasks), self._streams):
            self._open[event.stream_id] = _Open(_texts(event.headers))
        else:
            # Who has not heard yet how many there may be has asked for too many.
            self._reset(event.stream_id, ErrorCodes.REFUSED_STREAM)

    def _take(self, event: DataReceived) -> None:
        assert event.stream_id is not None
        assert event.flow_controlled_length is not None
        found = self._open.get(event.stream_id)
        if found is not None and event.data is not None:
            found.add(event.data)
            if found.size > BODY_MAX:
                self._reset(event.stream_id)
        self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def _begin(self, stream: int | None) -> None:
        found = self._open.pop(stream or 0, None)
        if stream is None or found is None:
            return
        if self._ending:
            return
        self._begun = max(self._begun, stream)
        request = found.request(id(self), self._client)
        loop = asyncio.get_running_loop()
        self._tasks[stream] = loop.create_task(self._answer(stream, request))

    def _forget(self, stream: int | None) -> None:
        if stream is None:
            return
        self._open.pop(stream, None)
        self._unsent.pop(stream, None)
        task = self._tasks.pop(stream, None)
        if task is not None:
            task.cancel()

    async def _answer(self, stream: int, request: Request) -> None:
        try:
            reply = await self._served.reply_to(request)
        finally:
            self._tasks.pop(stream, None)
        if reply is None:
            self._reset(stream)
        else:
            self._say(stream, reply)
            self._allow_more(reply.status)
            self._count(reply)
        self._flush()

    def _count(self, reply: Reply) -> None:
        self._answered += 1
        self._bad += self._served.is_bad(reply)
        over = self._answered >= self._served.calls_max or self._bad >= self._served.bad_max
        if over and not self._ending:
            self._go_away(self._served.parting(reply))

    def _go_away(self, words: bytes) -> None:
        """
        Say that nothing after the last stream that was begun is looked at (RFC 9113, 6.8).

        By hand, for h2 would say nothing more on the connection then, not even what is owed. Closing
        it is left to the caller: who closes a socket on what he has not read takes back what he said.
        """
        assert self._transport is not None
        self._ending = True
        self._flush()
        payload = self._begun.to_bytes(4) + bytes(4) + words
        self._transport.write(len(payload).to_bytes(3) + b"\x07\x00" + bytes(4) + payload)

    def _allow_more(self, status: int) -> None:
        if status < 300 and self._streams != self._served.streams_max:
            self._streams = self._served.streams_max
            self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self._streams})

    def _say(self, stream: int, reply: Reply) -> None:
        early = self._served.early
        headers = [(":status", str(reply.status)), *reply.headers]
        if reply.status not in BODILESS:
            headers.append(("content-length", str(len(reply.body))))
        try:
            if early is not None:
                self._h2.send_headers(stream, [(":status", str(early))])
            self._h2.send_headers(stream, headers, end_stream=not reply.body)
        except ProtocolError:
            return  # the caller has gone, as callers do
        if reply.body:
            self._unsent[stream] = memoryview(reply.body)
            self._send_more(stream)

    def _send_more(self, stream: int) -> None:
        rest = self._unsent.pop(stream)
        try:
            while rest:
                window = self._h2.local_flow_control_window(stream)
                room = min(window, self._h2.max_outbound_frame_size)
                if room <= 0:
                    self._unsent[stream] = rest
                    return
                now, rest = bytes(rest[:room]), rest[room:]
                self._h2.send_data(stream, now, end_stream=not rest)
        except ProtocolError:
            return  # as above

    def _reset(self, stream: int, why: ErrorCodes = ErrorCodes.INTERNAL_ERROR) -> None:
        self._open.pop(stream, None)
        try:
            self._h2.reset_stream(stream, why)
        except ProtocolError:
            return  # as above

    def _flush(self) -> None:
        assert self._transport is not None
        waiting = self._h2.data_to_send()
        if waiting and not self._transport.is_closing():
            self._transport.write(waiting)


def _common_name(certificate: Any) -> str | None:
    """Return it as `ssl.SSLSocket.getpeercert` has it; None where none was shown."""
    names = (certificate or {}).get("subject", ())
    found = dict(pair for row in names for pair in row)
    return found.get("commonName")


def _texts(headers: object) -> list[tuple[str, str]]:
    assert isinstance(headers, list)
    return [(str(name), str(value)) for name, value in headers]
