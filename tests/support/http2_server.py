"""A server that speaks HTTP/2 over TLS and, of each request, does what a test says."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, StreamEnded, StreamReset
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame


class Do(Enum):
    """What is done with a request that has arrived whole."""

    ANSWER = auto()
    """Send its body back."""
    HANG = auto()
    WARN = auto()
    """Say that the connection is to end some time (RFC 9113, 6.8), and go on; this one hangs."""
    REFUSE = auto()
    """Reset the stream and say that it was not looked at."""
    GO_AWAY = auto()
    """End the connection and say the same."""
    FINISH = auto()
    """End the connection and say that it was looked at."""
    BREAK = auto()
    """Reset the stream for a fault of the server's own."""
    CLOSE = auto()
    """End the connection without a word."""
    HANG_UP = auto()


_ENDS = frozenset({Do.GO_AWAY, Do.FINISH, Do.CLOSE, Do.HANG_UP})
_RESETS = {Do.REFUSE: ErrorCodes.REFUSED_STREAM, Do.BREAK: ErrorCodes.INTERNAL_ERROR}


class Http2Server:
    """Does the next of ``script`` with each request; with all that follow, answers."""

    def __init__(self, streams_max: int) -> None:
        self.streams_max = streams_max
        self.script: list[Do] = []
        self.requests = 0
        self.connections = 0
        self.resets = 0
        self.port = 0
        self.open: set[asyncio.Transport] = set()
        self._changed = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.port}/"

    async def until(self, *, requests: int = 0, resets: int = 0) -> None:
        """Return when so many requests have arrived, and so many streams were reset."""
        while self.requests < requests or self.resets < resets:
            self._changed.clear()
            await self._changed.wait()

    def stir(self) -> None:
        """Let who waits look again."""
        self._changed.set()


class _Connection(asyncio.Protocol):
    def __init__(self, server: Http2Server) -> None:
        self._server = server
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._transport: asyncio.Transport | None = None
        self._bodies: dict[int, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections += 1
        self._server.open.add(transport)
        limit: dict[SettingCodes | int, int] = {
            SettingCodes.MAX_CONCURRENT_STREAMS: self._server.streams_max
        }
        self._h2.initiate_connection()
        self._h2.update_settings(limit)
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        assert self._transport is not None
        self._server.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            self._take(event)
        self._flush()
        self._server.stir()

    def _take(self, event: Event) -> None:
        match event:
            case DataReceived(stream_id=int(stream), data=bytes(data)):
                self._bodies[stream] = self._bodies.get(stream, b"") + data
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
            case StreamEnded(stream_id=int(stream)):
                self._server.requests += 1
                script = self._server.script
                self._do(script.pop(0) if script else Do.ANSWER, stream)
            case StreamReset():
                self._server.resets += 1
            case _:
                pass

    def _do(self, what: Do, stream: int) -> None:
        if what in _ENDS:
            self._end(what, stream)
        elif what is Do.WARN:
            assert self._transport is not None
            self._transport.write(GoAwayFrame(0, last_stream_id=2**31 - 1).serialize())
        elif what in _RESETS:
            self._h2.reset_stream(stream, _RESETS[what])
        elif what is Do.ANSWER:
            self._h2.send_headers(stream, [(":status", "200")])
            self._h2.send_data(stream, self._bodies.pop(stream, b""), end_stream=True)

    def _end(self, what: Do, stream: int) -> None:
        assert self._transport is not None
        if what is Do.HANG_UP:
            self._transport.abort()
            return
        if what is not Do.CLOSE:
            looked_at = stream if what is Do.FINISH else 0
            self._h2.close_connection(ErrorCodes.NO_ERROR, last_stream_id=looked_at)
            self._flush()
        self._transport.close()

    def _flush(self) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(self._h2.data_to_send())


@asynccontextmanager
async def http2_server(
    tls: ssl.SSLContext, streams_max: int = 100, port: int = 0
) -> AsyncIterator[Http2Server]:
    """Listen on this machine until the block ends; *tls* offers ``h2``."""
    found = Http2Server(streams_max)
    listener = socket.create_server(("127.0.0.1", port))
    listener.setblocking(False)
    found.port = int(listener.getsockname()[1])
    accepted: list[socket.socket] = []
    welcomes: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()

    def accept() -> None:
        made, _ = listener.accept()
        made.setblocking(False)
        accepted.append(made)
        welcomes.append(loop.create_task(_welcome(made, tls, found)))

    loop.add_reader(listener, accept)
    try:
        yield found
    finally:
        loop.remove_reader(listener)
        listener.close()
        # Also what still shakes hands ends here, and not when somebody collects garbage.
        for welcome in welcomes:
            welcome.cancel()
        await asyncio.gather(*welcomes, return_exceptions=True)
        for transport in tuple(found.open):
            transport.abort()
        await asyncio.sleep(0)
        for made in accepted:
            made.close()


async def _welcome(made: socket.socket, tls: ssl.SSLContext, server: Http2Server) -> None:
    loop = asyncio.get_running_loop()
    # Who turns away in the midst of it is the client's matter.
    with suppress(OSError):
        await loop.connect_accepted_socket(lambda: _Connection(server), made, ssl=tls)
