"""What all sockets of a process share: their limits, their number and their one timer."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, cast

import msgspec

from tocsin.errors import Stopping, Unavailable
from tocsin.gateway.socket import POLICY_VIOLATION, SERVICE_RESTART, SessionT, Socket
from tocsin.gateway.sweep import Deadlines, Wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.server import ServerState

    from tocsin.gateway.handshake import SocketRequest
    from tocsin.gateway.socket import Accept, SocketHandler


class SocketSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of every socket. Times are exact to one ``sweep_interval_ms``."""

    path: str = "/v1/inbox/socket"

    origins: frozenset[str] = frozenset()
    """Whose pages may connect, as browsers write origins; ``*`` for all."""

    max_sockets: int = 100_000

    retry_after_s: int = 5
    """When one that found no room may come again."""

    max_message_bytes: int = 64 * 1024

    max_buffered_bytes: int = 256 * 1024
    """What may wait for a slow reader, beside the kernel's buffer, before it is closed."""

    inbound_per_s: float = 20
    """Messages, pings and pongs that a client may send in the long run; each 4 KiB count as one more."""

    inbound_burst: int = 200

    ping_interval_ms: int = 25_000
    """A socket from which nothing came between two pings is closed."""

    auth_timeout_ms: int = 10_000
    close_timeout_ms: int = 5_000

    drain_ms: int = 5_000
    """Over how long the closes of a shutdown are spread, so that not all come back at once."""

    sweep_interval_ms: int = 500


class Scheduler(Protocol):
    """The part of an event loop that the sweep needs: monotonic seconds, and a call later."""

    def time(self) -> float: ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> object: ...


class SocketServer(Generic[SessionT]):
    """
    The sockets of one process.

    Its timer runs while there are sockets, and lapses by itself.
    """

    def __init__(
        self,
        handler: SocketHandler[SessionT],
        settings: SocketSettings,
        scheduler: Scheduler,
    ) -> None:
        self.handler = handler
        self.settings = settings
        self.now = scheduler.time
        self._call_later = scheduler.call_later
        self._sockets: Wheel[Socket[SessionT]] = Wheel(
            max(1, settings.ping_interval_ms // settings.sweep_interval_ms)
        )
        self._unauthenticated: Deadlines[Socket[SessionT]] = Deadlines(
            settings.auth_timeout_ms / 1000
        )
        self._closing: Deadlines[Socket[SessionT]] = Deadlines(settings.close_timeout_ms / 1000)
        self._draining: deque[Socket[SessionT]] = deque()
        self._drain_share = 0
        self._stopping = False
        self._sweeping = False

    def __len__(self) -> int:
        return len(self._sockets)

    # ------------------------------------------------------------ what sockets call

    def admit(self, request: SocketRequest) -> Accept[SessionT]:
        """Let the handler decide, if there is room. Raises the TocsinError that refuses."""
        if self._stopping:
            raise Stopping("Connect again")
        if len(self._sockets) >= self.settings.max_sockets:
            error = Unavailable("Too many sockets are open")
            error.retry_after_s = self.settings.retry_after_s
            raise error
        return self.handler.open(request)

    def joined(self, socket: Socket[SessionT], *, authenticated: bool) -> None:
        """Count an accepted socket and watch over it."""
        socket.slot = self._sockets.add(socket)
        if not authenticated:
            self._unauthenticated.add(socket, self.now())
        if not self._sweeping:
            self._sweeping = True
            self._schedule()

    def authenticated(self, socket: Socket[SessionT]) -> None:
        """Stop the time that an unauthenticated socket has."""
        self._unauthenticated.discard(socket)

    def closing(self, socket: Socket[SessionT]) -> None:
        """Start the time that a closing socket has."""
        self._unauthenticated.discard(socket)
        self._closing.add(socket, self.now())

    def left(self, socket: Socket[SessionT]) -> None:
        """Forget an accepted socket, whose connection is gone."""
        self._sockets.remove(socket, socket.slot)
        self._unauthenticated.discard(socket)
        self._closing.discard(socket)

    def drain(self, socket: Socket[SessionT]) -> None:
        """Close the socket at its turn within the drain time, and admit no others."""
        self._stopping = True
        if self.settings.drain_ms:
            self._draining.append(socket)
        else:
            socket.close(SERVICE_RESTART, "restart")

    # ------------------------------------------------------------ the sweep

    def _schedule(self) -> None:
        self._call_later(self.settings.sweep_interval_ms / 1000, self._sweep)

    def _sweep(self) -> None:
        now = self.now()
        for socket in self._sockets.step():
            socket.check_alive()
        for socket in self._unauthenticated.expire(now):
            socket.close(POLICY_VIOLATION, "auth_timeout")
        for socket in self._closing.expire(now):
            socket.abort()
        self._drain_some()
        self._sweeping = len(self._sockets) > 0
        if self._sweeping:
            self._schedule()

    def _drain_some(self) -> None:
        if not self._drain_share:
            steps = max(1, self.settings.drain_ms // self.settings.sweep_interval_ms)
            self._drain_share = math.ceil(len(self._draining) / steps)
        for _ in range(min(self._drain_share, len(self._draining))):
            self._draining.popleft().close(SERVICE_RESTART, "restart")


def socket_class(server: SocketServer[SessionT]) -> type[Socket[SessionT]]:
    """
    Return the class to give to uvicorn as ``Config(ws=…)``.

    uvicorn makes the object for each upgrade itself, and hands it only what is its own.
    """

    class ServedSocket(Socket[SessionT]):
        __slots__ = ()

        def __init__(self, *, server_state: ServerState, **_uvicorns: object) -> None:
            super().__init__(server, cast("set[object]", server_state.connections))

    return ServedSocket
