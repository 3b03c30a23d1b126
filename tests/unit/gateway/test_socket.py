"""Sockets over real connections, with an independent client: opening, messages, closing."""

from __future__ import annotations

import contextlib

import pytest
from websockets.frames import Frame, Opcode

from tests.unit.gateway.site import PATH, Site, closing_of
from tocsin.gateway import frames

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
