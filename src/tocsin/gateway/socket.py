"""
One WebSocket connection, as a protocol class of the event loop.

It is the gateway's largest number (a hundred thousand per process) and its hottest path, so an
idle socket has no task, queue, event or timer of its own, and a send is one call of the transport.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar, TypeVarTuple, Unpack, cast

import msgspec
from typing_extensions import override

from tocsin.errors import TocsinError
from tocsin.gateway import frames
from tocsin.gateway.handshake import accept_response, problem_response, read_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tocsin.gateway.handshake import SocketRequest
    from tocsin.gateway.server import SocketServer

SessionT = TypeVar("SessionT")
Ts = TypeVarTuple("Ts")

UNSUPPORTED_DATA: Final = 1003
ABNORMAL: Final = 1006
POLICY_VIOLATION: Final = 1008
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013

_PING: Final = frames.ping_frame()

# Reading bytes costs as well as reading messages: so many bytes count as one message, and a
# stream of empty fragments does not pass for nothing.
_BYTES_PER_UNIT: Final = 4096

_HANDSHAKE: Final = 0
_OPEN: Final = 1
_CLOSING: Final = 2
"""Our Close is sent; the peer's is read for, and nothing else."""
_ENDED: Final = 3
"""Nothing is read or written any more; the connection may still be closing."""

_logger = logging.getLogger(__name__)


class Accept(msgspec.Struct, Generic[SessionT], frozen=True):
    """Opens the socket, with the handler's own state for it."""

    session: SessionT
    authenticated: bool = True
    """False starts the time within which ``Socket.authenticate`` must be called."""


class SocketHandler(Protocol[SessionT]):
    """
    What the gateway does with sockets; called on the loop, so that nothing here may block.

    For each accepted socket: ``opened`` once, ``message`` any number of times in the order of
    arrival, ``closed`` once and last. For a refused one only ``open``.
    """

    def open(self, request: SocketRequest) -> Accept[SessionT]:
        """Decide from the request alone. Raises the TocsinError that refuses it."""
        ...

    def opened(self, socket: Socket[SessionT]) -> None:
        """Take over a socket that can be sent to from now on."""
        ...

    def message(self, socket: Socket[SessionT], data: bytes) -> None:
        """Handle one text message: valid UTF-8, within the size limit, not otherwise checked."""
        ...

    def closed(self, socket: Socket[SessionT], code: int) -> None:
        """
        Let go of the socket.

        ``code`` is what the side that closed first sent, 1005 when it sent none, and 1006 when
        the connection broke.
        """
        ...


class Socket(asyncio.Protocol, Generic[SessionT]):
    """
    A connection from the upgrade on.

    ``session`` is the handler's, set before ``opened``. Sends never block and never fail: what
    is sent to a socket that is closing is dropped, and the client learns from its cursor.
    """

    __slots__ = (
        "_alive",
        "_code",
        "_connections",
        "_parser",
        "_server",
        "_spent_until",
        "_state",
        "_transport",
        "session",
        "slot",
    )

    session: SessionT

    slot: int
    """Where the server's wheel keeps this socket."""

    def __init__(self, server: SocketServer[SessionT], connections: set[object]) -> None:
        self._server = server
        self._connections = connections
        self._parser = frames.FrameParser(server.settings.max_message_bytes)
        self._state = _HANDSHAKE
        self._code = ABNORMAL
        self._alive = True
        self._spent_until = 0.0

    # ------------------------------------------------------------ what the handler calls

    def send(self, frame: bytes) -> None:
        """
        Write a frame, which may be shared with any number of sockets.

        Each call is a system call, most of what a message costs: join several frames for one
        socket before.
        """
        if self._state == _OPEN:
            self._transport.write(frame)

    def send_text(self, payload: bytes) -> None:
        """Frame and write one text message of UTF-8."""
        self.send(frames.text_frame(payload))

    def authenticate(self) -> None:
        """Stop the time that an unauthenticated socket has."""
        self._server.authenticated(self)

    def close(self, code: int, reason: str = "") -> None:
        """
        Begin the closing handshake; nothing more is sent or handed to the handler.

        The connection is cut when the peer does not answer in time.
        """
        if self._state == _OPEN:
            self._transport.write(frames.close_frame(code, reason))
            self._state = _CLOSING
            self._code = code
            self._server.closing(self)

    # ------------------------------------------------------------ what the sweep calls

    def check_alive(self) -> None:
        """Ping, or close when nothing has come since the last ping."""
        if self._state != _OPEN:
            return
        if not self._alive:
            self.close(INTERNAL_ERROR, "ping_timeout")
            return
        self._alive = False
        self._transport.write(_PING)

    def abort(self) -> None:
        """Cut the connection, whatever is still to be written."""
        self._state = _ENDED
        self._transport.abort()

    # ------------------------------------------------------------ what the event loop calls

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        _take_over(self._transport, self)
        # The high water mark is the bound itself: see pause_writing.
        self._transport.set_write_buffer_limits(high=self._server.settings.max_buffered_bytes)
        self._connections.add(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._state = _ENDED
        if hasattr(self, "session"):
            self._server.left(self)
            self._server.handler.closed(self, self._code)

    @override
    def data_received(self, data: bytes) -> None:
        if self._state == _HANDSHAKE:
            self._shake_hands(data)
        elif self._state != _ENDED:
            self._read(data)

    @override
    def pause_writing(self) -> None:
        """Close: the kernel's buffer is full and ours has reached its bound."""
        self.close(TRY_AGAIN_LATER, "resync")

    def shutdown(self) -> None:
        """Close soon; uvicorn calls this when it stops, and waits until all are gone."""
        if self._state == _OPEN:
            self._server.drain(self)

    # ------------------------------------------------------------ reading

    def _shake_hands(self, head: bytes) -> None:
        # uvicorn hands over a request's head in one piece, so there is nothing to wait for.
        settings = self._server.settings
        try:
            request = read_request(head, path=settings.path, origins=settings.origins)
            accept = self._server.admit(request)
        except TocsinError as error:
            self._refuse(error)
            return
        except Exception:
            _logger.exception("a socket's request could not be decided")
            self._refuse(TocsinError("Try again; the log of the server says more"))
            return
        self._transport.write(accept_response(request))
        self._state = _OPEN
        self.session = accept.session
        self._server.joined(self, authenticated=accept.authenticated)
        self._guarded(self._server.handler.opened, self)

    def _refuse(self, error: TocsinError) -> None:
        self._state = _ENDED
        self._transport.write(problem_response(error))
        self._transport.close()

    def _read(self, data: bytes) -> None:
        self._alive = True
        try:
            self._spend(len(data) / _BYTES_PER_UNIT)
            for opcode, payload in self._parser.feed(data):
                self._spend(1)
                self._receive(opcode, payload)
        except frames.FrameError as error:
            self._fail(error.code, error.reason)

    def _receive(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.CLOSE:
            self._answer_close(frames.close_code(payload))
        elif self._state != _OPEN:
            return
        elif opcode == frames.TEXT:
            self._guarded(self._server.handler.message, self, payload)
        elif opcode == frames.PING:
            self._transport.write(frames.pong_frame(payload))
        elif opcode == frames.BINARY:
            raise frames.FrameError(UNSUPPORTED_DATA, "messages are text")

    def _guarded(self, call: Callable[[Unpack[Ts]], None], *args: *Ts) -> None:
        try:
            call(*args)
        except Exception:
            _logger.exception("a socket's handler failed")
            self.close(INTERNAL_ERROR, "internal_error")

    def _spend(self, units: float) -> None:
        """Count against the inbound rate: one number per socket, the generic cell rate algorithm."""
        settings = self._server.settings
        now = self._server.now()
        self._spent_until = max(self._spent_until, now) + units / settings.inbound_per_s
        if self._spent_until - now > settings.inbound_burst / settings.inbound_per_s:
            raise frames.FrameError(POLICY_VIOLATION, "too many messages")

    # ------------------------------------------------------------ ending

    def _answer_close(self, code: int) -> None:
        """Finish the closing handshake; the server is the one to close TCP (section 7.1.1)."""
        if self._state == _OPEN:
            self._code = code
            self._transport.write(frames.close_frame(code))
        self._state = _ENDED
        self._transport.close()
        self._server.closing(self)

    def _fail(self, code: int, reason: str) -> None:
        """
        Say why and read no further.

        Closing while the peer is still sending would make the kernel answer with a reset, which
        can overtake our Close; so only our direction ends, and what comes in is thrown away.
        """
        if self._state == _OPEN:
            self._code = code
            self._transport.write(frames.close_frame(code, reason))
        self._state = _ENDED
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()
        self._server.closing(self)


def _take_over(transport: asyncio.Transport, successor: asyncio.Protocol) -> None:
    """
    Put the socket in the place of uvicorn's HTTP protocol, and let that one go.

    uvicorn does the first only after the handshake, too late for a pause in it. Of the other it
    takes care when a connection is lost, which the HTTP protocol of an upgraded one never hears
    of: it and its parser would hold one another until a full garbage collection.
    """
    predecessor = transport.get_protocol()
    transport.set_protocol(successor)
    if hasattr(predecessor, "parser"):
        predecessor.parser = None
