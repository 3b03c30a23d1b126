"""Sockets that are slow, silent, too many or in the way of a shutdown; the timers' clock is virtual."""

from __future__ import annotations

import asyncio
import contextlib
import gc

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.frames import Frame, Opcode

from tests.unit.gateway.site import BULK, Echo, Site, closing_of, no_app
from tocsin.gateway import frames
from tocsin.gateway.server import SocketServer, SocketSettings, socket_class
from tocsin.gateway.socket import Socket

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
