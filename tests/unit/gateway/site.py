"""A listening server with its handler, on virtual time, and ways to connect to it."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from tocsin.errors import Unauthenticated
from tocsin.gateway import frames
from tocsin.gateway.server import SocketServer, SocketSettings, socket_class
from tocsin.gateway.socket import Accept, Socket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tocsin.gateway.handshake import SocketRequest

PATH = "/v1/inbox/socket"
Sessions: TypeAlias = Socket[str]
BULK = frames.text_frame(b"x" * 60_000)


async def no_app(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing: the sockets are beside the application."""


class VirtualTime:
    """The scheduler's part of a loop, moved by hand."""

    def __init__(self) -> None:
        self._now = 0.0
        self._calls: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> None:
        self._count += 1
        heapq.heappush(self._calls, (self._now + delay, self._count, callback))

    def advance(self, seconds: float) -> None:
        end = self._now + seconds
        while self._calls and self._calls[0][0] <= end:
            self._now, _, callback = heapq.heappop(self._calls)
            callback()
        self._now = end

    def is_idle(self) -> bool:
        return not self._calls


class Echo:
    """Answers each message with itself, and notes what it is told."""

    def __init__(self) -> None:
        self.requests: list[SocketRequest] = []
        self.sockets: list[Sessions] = []
        self.told: list[str] = []
        self.closes: asyncio.Queue[int] = asyncio.Queue()
        self.authenticates = False
        self.greetings = 0

    def open(self, request: SocketRequest) -> Accept[str]:
        self.requests.append(request)
        if request.bearer == "bad":
            raise Unauthenticated("Fetch a new token")
        if request.bearer == "bug":
            raise ZeroDivisionError
        return Accept(request.bearer or "nobody", authenticated=not self.authenticates)

    def opened(self, socket: Sessions) -> None:
        self.sockets.append(socket)
        socket.send_text(b"hello " + socket.session.encode())
        for _ in range(self.greetings):
            socket.send(BULK)

    def message(self, socket: Sessions, data: bytes) -> None:
        if data == b"auth":
            socket.authenticate()
        if data == b"bug":
            raise ZeroDivisionError
        if data == b"bye":
            socket.close(4001, "bye")
        self.told.append(data.decode())
        socket.send_text(data)

    def closed(self, socket: Sessions, code: int) -> None:
        self.closes.put_nowait(code)


class Site:
    """A listening server and what the tests look at."""

    def __init__(self, settings: SocketSettings) -> None:
        self.handler = Echo()
        self.clock = VirtualTime()
        self.sockets = SocketServer(self.handler, settings, self.clock)
        self.state = ServerState()
        self.port = 0

    async def listen(self) -> asyncio.Server:
        config = uvicorn.Config(no_app, ws=socket_class(self.sockets), log_config=None)
        config.load()
        server = await asyncio.get_running_loop().create_server(
            lambda: HttpToolsProtocol(config=config, server_state=self.state, app_state={}),
            "127.0.0.1",
            0,
        )
        self.port = server.sockets[0].getsockname()[1]
        return server

    def connect(
        self, *, target: str = PATH, token: str | None = None, origin: str | None = None
    ) -> connect:
        offered = [Subprotocol("tocsin.v1"), Subprotocol(f"bearer.{token}")] if token else None
        return connect(
            f"ws://127.0.0.1:{self.port}{target}",
            subprotocols=offered,
            origin=Origin(origin) if origin else None,
            ping_interval=None,
            proxy=None,
        )

    async def refusal(self, **how: str) -> tuple[int, dict[str, Any], InvalidStatus]:
        with pytest.raises(InvalidStatus) as raised:
            await self.connect(**how)
        response = raised.value.response
        assert response.headers["content-type"] == "application/problem+json"
        return response.status_code, msgspec.json.decode(response.body or b""), raised.value

    @contextlib.asynccontextmanager
    async def raw(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Connect without a client that would answer by itself; the hello is still to be read."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(
            f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


SETTINGS = SocketSettings(
    origins=frozenset({"https://shop.example"}),
    max_sockets=6,
    max_message_bytes=70_000,
    max_buffered_bytes=100_000,
    inbound_per_s=10,
    inbound_burst=50,
    ping_interval_ms=20_000,
    auth_timeout_ms=10_000,
    close_timeout_ms=5_000,
    drain_ms=3_000,
    sweep_interval_ms=1_000,
)


async def closing_of(client: ClientConnection) -> tuple[int, str]:
    """Read to the end; return the code and the reason that the server closed with."""
    with contextlib.suppress(ConnectionClosed):
        async for _ in client:
            pass
    await client.wait_closed()
    assert client.close_code is not None
    return client.close_code, client.close_reason or ""
