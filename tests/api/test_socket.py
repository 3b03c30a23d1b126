"""The same application behind a real server on a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx2
import pytest
import uvicorn

from tests.api.site import LIMITS, Site


@pytest.fixture
async def address(site: Site) -> AsyncIterator[tuple[str, int]]:
    """The address of a server that stops when the test ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        site.api.network(), lifespan="off", log_config=None, access_log=False, server_header=False
    )
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=[listening]))
        yield listening.getsockname()
        server.should_exit = True


async def exchange(address: tuple[str, int], request: bytes) -> bytes:
    """Send bytes as they are, and return what comes until the server closes."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_connection_is_used_for_several_requests(
    site: Site, address: tuple[str, int]
) -> None:
    headers = {"Authorization": f"Bearer {await site.key('admin')}"}
    url = f"http://{address[0]}:{address[1]}"
    async with httpx2.AsyncClient(base_url=url, headers=headers) as client:
        put = await client.put("/v1/recipients/a%2Fb", json={"name": "A"})
        head = await client.head("/v1/recipients/a%2Fb")
        got = await client.get("/v1/recipients/a%2Fb")

    assert (put.status_code, head.status_code, got.status_code) == (201, 200, 200)
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]
    assert "server" not in got.headers


async def test_a_body_that_is_too_large_ends_its_connection(
    site: Site, address: tuple[str, int]
) -> None:
    key = await site.key("admin")
    head = (
        f"PUT /v1/recipients/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100000000\r\n\r\n"
    )

    answer = await exchange(address, head.encode())

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer


async def test_who_sends_too_much_learns_why(site: Site, address: tuple[str, int]) -> None:
    # More than the buffers of both ends hold, so that it cannot be sent unless it is read.
    body = b"x" * (3 * LIMITS.request_bytes_max)
    reader, writer = await asyncio.open_connection(*address, limit=1 << 20)
    key = await site.key("admin")
    writer.write(
        f"PUT /v1/recipients/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    writer.write(body)
    await writer.drain()
    answer = await reader.read()
    writer.close()

    assert b'"code":"too_large"' in answer


async def test_who_goes_on_for_ever_is_cut_off(site: Site, address: tuple[str, int]) -> None:
    _, writer = await asyncio.open_connection(*address)
    key = await site.key("admin")
    writer.write(
        f"PUT /v1/recipients/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"

    async def go_on() -> None:
        for _ in range(1_000):
            writer.write(chunk)
            await writer.drain()

    with pytest.raises(ConnectionError):
        await go_on()


async def test_who_stops_ends_the_connection(site: Site, address: tuple[str, int]) -> None:
    site.stopping = True

    answer = await exchange(address, b"GET /v1/keys HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"stopping"' in answer


async def test_two_lengths_are_refused(address: tuple[str, int]) -> None:
    answer = await exchange(
        address,
        b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    )

    assert answer.startswith(b"HTTP/1.1 400 ")
