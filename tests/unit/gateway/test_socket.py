"""Sockets over real connections, with an independent client; only the timers' clock is virtual."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import heapq
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
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


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


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


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site(SETTINGS)
    server = await site.listen()
    yield site
    server.close()
    await server.wait_closed()


async def closing_of(client: ClientConnection) -> tuple[int, str]:
    """Read to the end; return the code and the reason that the server closed with."""
    with contextlib.suppress(ConnectionClosed):
        async for _ in client:
            pass
    await client.wait_closed()
    assert client.close_code is not None
    return client.close_code, client.close_reason or ""


# ---------------------------------------------------------------- opening


async def test_the_handler_gets_the_token_and_the_client_only_the_subprotocol(site: Site) -> None:
    async with site.connect(token="t0k3n") as client:
        assert await client.recv() == "hello t0k3n"
        assert client.subprotocol == "tocsin.v1"
        assert client.response is not None
        assert "t0k3n" not in str(client.response.headers)
    assert [request.bearer for request in site.handler.requests] == ["t0k3n"]


async def test_what_is_refused_gets_a_problem_and_is_not_counted(site: Site) -> None:
    status, problem, _ = await site.refusal(target="/v1/other")
    assert (status, problem["code"]) == (404, "not_found")
    status, problem, _ = await site.refusal(target=PATH + "?token=t")
    assert (status, problem["code"]) == (400, "token_in_address")
    status, problem, _ = await site.refusal(origin="https://evil.example")
    assert (status, problem["code"]) == (403, "origin_not_allowed")
    status, problem, _ = await site.refusal(token="bad")
    assert (status, problem["code"]) == (401, "unauthenticated")
    assert len(site.sockets) == 0
    assert site.handler.sockets == []
    assert site.handler.closes.empty()


async def test_a_handler_that_breaks_while_opening_refuses(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    status, problem, _ = await site.refusal(token="bug")
    assert (status, problem["code"]) == (500, "internal_error")
    assert "ZeroDivisionError" in caplog.text


async def test_one_too_many_is_told_when_to_come_again(site: Site) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(6):
            await stack.enter_async_context(site.connect())
        status, problem, error = await site.refusal()
        assert (status, problem["code"]) == (503, "unavailable")
        assert error.response.headers["retry-after"] == "5"
    for _ in range(6):
        await site.handler.closes.get()
    async with site.connect() as client:
        assert await client.recv() == "hello nobody"


async def test_a_page_of_an_allowed_origin_connects(site: Site) -> None:
    async with site.connect(origin="https://shop.example") as client:
        assert await client.recv() == "hello nobody"


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 70_000])
async def test_messages_of_any_size_arrive_both_ways(site: Site, size: int) -> None:
    async with site.connect() as client:
        await client.recv()
        await client.send("x" * size)
        assert await client.recv() == "x" * size


async def test_a_message_in_fragments_arrives_whole(site: Site) -> None:
    async with site.connect() as client:
        await client.recv()
        await client.send(["gr\u00fc", "", "n \u2603"])
        assert await client.recv() == "gr\u00fcn \u2603"


async def test_a_ping_is_answered(site: Site) -> None:
    async with site.connect() as client:
        await (await client.ping(b"payload"))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(Frame(Opcode.BINARY, b"x").serialize(mask=True), 1003, id="binary"),
        pytest.param(Frame(Opcode.TEXT, b"x").serialize(mask=False), 1002, id="not masked"),
        pytest.param(Frame(Opcode.TEXT, b"\xff").serialize(mask=True), 1007, id="not UTF-8"),
        pytest.param(b"\x81\xff" + (70_001).to_bytes(8), 1009, id="too big"),
    ],
)
async def test_a_violation_ends_the_socket_with_its_code(
    site: Site, data: bytes, code: int
) -> None:
    async with site.raw() as (reader, writer):
        # More than one read's worth follows, which a careless server would answer with a reset.
        writer.write(data + b"\0" * 100_000)
        read = await reader.read()
        assert read.startswith(frames.text_frame(b"hello nobody"))
        assert code.to_bytes(2) == read.removeprefix(frames.text_frame(b"hello nobody"))[2:4]
    assert await site.handler.closes.get() == code
    assert site.handler.told == []


async def test_a_handler_that_breaks_ends_the_socket(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async with site.connect() as client:
        await client.send("bug")
        assert await closing_of(client) == (1011, "internal_error")
    assert await site.handler.closes.get() == 1011
    assert "ZeroDivisionError" in caplog.text


async def test_too_many_messages_end_the_socket(site: Site) -> None:
    async with site.connect() as client:
        for _ in range(60):
            await client.send("again")
        assert await closing_of(client) == (1008, "too many messages")
    assert len(site.handler.told) == 49  # 50 units, a little of which went for the bytes


async def test_a_steady_client_is_not_too_fast(site: Site) -> None:
    async with site.connect() as client:
        await client.recv()
        for _ in range(60):
            await client.send("again")
            assert await client.recv() == "again"
            site.clock.advance(0.2)


async def test_many_empty_fragments_end_the_socket(site: Site) -> None:
    async with site.raw() as (reader, writer):
        empty = Frame(Opcode.CONT, b"", fin=False).serialize(mask=True)
        writer.write(Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True) + empty * 40_000)
        assert (1008).to_bytes(2) + b"too many messages" in await reader.read()


# ---------------------------------------------------------------- closing


async def test_the_servers_close_reaches_the_client(site: Site) -> None:
    async with site.connect() as client:
        await client.send("bye")
        assert await closing_of(client) == (4001, "bye")
    assert await site.handler.closes.get() == 4001
    assert len(site.sockets) == 0


async def test_nothing_follows_a_close(site: Site) -> None:
    async with site.raw() as (reader, writer):
        bye = Frame(Opcode.TEXT, b"bye").serialize(mask=True)
        late = Frame(Opcode.TEXT, b"late").serialize(mask=True)
        close = Frame(Opcode.CLOSE, b"\x0f\xa1").serialize(mask=True)
        writer.write(bye + late + close)
        assert (await reader.read()).endswith(frames.close_frame(4001, "bye"))
    assert site.handler.told == ["bye"]


@pytest.mark.parametrize("code", [1000, 1001, 3000])
async def test_the_clients_close_is_answered(site: Site, code: int) -> None:
    async with site.connect() as client:
        await client.close(code)
        assert client.close_code == code
    assert await site.handler.closes.get() == code


async def test_a_close_without_a_status_is_answered_with_one(site: Site) -> None:
    async with site.raw() as (reader, writer):
        writer.write(Frame(Opcode.CLOSE, b"").serialize(mask=True))
        assert (await reader.read()).endswith(b"\x88\x00")
    assert await site.handler.closes.get() == frames.NO_STATUS


async def test_a_connection_that_breaks_is_told_once(site: Site) -> None:
    async with site.raw() as (_, writer):
        writer.transport.abort()
        assert await site.handler.closes.get() == 1006
    assert len(site.sockets) == 0
    assert site.handler.closes.empty()


async def test_a_client_that_does_not_answer_a_close_is_cut_off(site: Site) -> None:
    async with site.raw() as (reader, _):
        await reader.readexactly(len(frames.text_frame(b"hello nobody")))
        [socket] = site.handler.sockets
        socket.close(4001, "bye")
        socket.close(4002, "too late")
        socket.send_text(b"too late")
        assert await reader.readexactly(7) == frames.close_frame(4001, "bye")
        site.clock.advance(4)
        assert site.handler.closes.empty()
        site.clock.advance(1)
        assert await site.handler.closes.get() == 4001


# ---------------------------------------------------------------- slow readers


async def test_a_slow_reader_is_closed_at_its_bound(site: Site) -> None:
    async with site.raw() as (reader, _):
        [socket] = site.handler.sockets
        for _ in range(1000):
            socket.send(BULK)
        # Closed long before the last of these 60 MB: the rest was dropped, not buffered.
        read = bytearray()
        while not read.endswith(frames.close_frame(1013, "resync")):
            read += await reader.read(100_000)
        assert len(read) < 30_000_000
        socket.send(BULK)
        socket.abort()
    assert await site.handler.closes.get() == 1013


async def test_a_reader_that_stands_still_is_cut_off(site: Site) -> None:
    async with site.raw():
        [socket] = site.handler.sockets
        for _ in range(1000):
            socket.send(BULK)
        site.clock.advance(5)
        assert await site.handler.closes.get() == 1013


async def test_a_reader_too_slow_for_the_first_messages_is_closed(site: Site) -> None:
    site.handler.greetings = 1000
    async with site.raw() as (reader, _):
        read = bytearray()
        while not read.endswith(frames.close_frame(1013, "resync")):
            read += await reader.read(100_000)
        site.handler.sockets[0].abort()
    assert await site.handler.closes.get() == 1013


# ---------------------------------------------------------------- time


async def test_a_silent_client_is_closed_at_the_second_ping(site: Site) -> None:
    async with site.raw() as (reader, writer):
        await reader.readexactly(len(frames.text_frame(b"hello nobody")))
        site.clock.advance(20)
        assert await reader.readexactly(2) == b"\x89\x00"
        site.clock.advance(20)
        assert (await reader.readexactly(16)) == frames.close_frame(1011, "ping_timeout")
        writer.write(Frame(Opcode.CLOSE, b"\x03\xf3").serialize(mask=True))
        assert await site.handler.closes.get() == 1011


async def test_a_client_that_answers_stays(site: Site) -> None:
    async with site.connect() as client:
        await client.recv()
        for turn in range(5):
            site.clock.advance(20)
            await client.send(str(turn))  # the pong has come before it
            assert await client.recv() == str(turn)


async def test_the_timer_lapses_with_the_last_socket(site: Site) -> None:
    async with site.connect():
        assert not site.clock.is_idle()
    await site.handler.closes.get()
    site.clock.advance(1)
    assert site.clock.is_idle()
    async with site.connect():
        assert not site.clock.is_idle()


async def test_one_who_does_not_authenticate_is_closed(site: Site) -> None:
    site.handler.authenticates = True
    async with site.connect() as silent, site.connect() as known:
        await known.send("auth")
        assert await known.recv() == "hello nobody"
        assert await known.recv() == "auth"
        site.clock.advance(9)
        assert site.handler.closes.empty()
        site.clock.advance(1)
        assert await closing_of(silent) == (1008, "auth_timeout")
        await known.send("still here")
        assert await known.recv() == "still here"


# ---------------------------------------------------------------- stopping


async def test_a_shutdown_is_spread_and_lets_nobody_in(site: Site) -> None:
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(site.connect()) for _ in range(6)]
        for connection in list(site.state.connections):
            connection.shutdown()
        for closed in (2, 4, 6):
            site.clock.advance(1)
            for _ in range(2):
                assert await site.handler.closes.get() == 1012
            assert len(site.sockets) == 6 - closed
            assert len(site.state.connections) == 6 - closed
        assert {await closing_of(client) for client in clients} == {(1012, "restart")}
    status, problem, _ = await site.refusal()
    assert (status, problem["code"]) == (503, "stopping")


async def test_uvicorn_waits_for_its_sockets_and_stops(site: Site) -> None:
    handler = Echo()
    sockets = SocketServer(handler, SocketSettings(drain_ms=0), asyncio.get_running_loop())
    config = uvicorn.Config(
        no_app, port=0, ws=socket_class(sockets), lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    site.port = server.servers[0].sockets[0].getsockname()[1]
    async with site.connect() as client, asyncio.TaskGroup() as group:
        group.create_task(server.shutdown())
        assert await closing_of(client) == (1012, "restart")
    assert handler.closes.get_nowait() == 1012
    assert server.server_state.connections == set()


# ---------------------------------------------------------------- what an idle socket keeps


async def test_an_idle_socket_keeps_no_task_and_no_http_protocol(site: Site) -> None:
    gc.collect()
    gc.disable()
    try:
        tasks = len(asyncio.all_tasks())
        async with site.raw() as (reader, _):
            await reader.readexactly(len(frames.text_frame(b"hello nobody")))
            assert len(asyncio.all_tasks()) == tasks
            left = [thing for thing in gc.get_objects() if isinstance(thing, HttpToolsProtocol)]
            assert left == []
            assert not hasattr(site.handler.sockets[0], "__dict__")
    finally:
        gc.enable()


async def test_a_closed_socket_is_forgotten(site: Site) -> None:
    site.handler.authenticates = True
    async with site.connect() as closed, site.connect() as closing, site.connect():
        await closing.send("bye")
        await closed.close()
    for _ in range(3):
        await site.handler.closes.get()
    site.handler.sockets.clear()
    gc.collect()
    assert [thing for thing in gc.get_objects() if isinstance(thing, Socket)] == []
