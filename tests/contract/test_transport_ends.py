"""How calls end when connections do, and how the client does: nothing hangs, nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import islice

import pytest

from tests.support.authority import Authority
from tests.support.http2_server import Do, Http2Server, http2_server
from tests.support.transports import Make
from tocsin.config import Outbound
from tocsin.ports.transport import Answer, Call, NoAnswer, NoAnswerReason, Transport

Bounded = Callable[..., Transport]


@pytest.fixture
def bounded(make: Make, authority: Authority) -> Bounded:
    def one(connections: int = 16) -> Transport:
        return make(Outbound(ca_file=str(authority.ca_file), connections_per_host_max=connections))

    return one


@pytest.fixture
async def there(authority: Authority) -> AsyncIterator[Http2Server]:
    async with http2_server(authority.issue("127.0.0.1").server_context("h2")) as found:
        yield found


@pytest.fixture
async def single(authority: Authority) -> AsyncIterator[Http2Server]:
    """Takes one call at a time on each connection."""
    context = authority.issue("127.0.0.1").server_context("h2")
    async with http2_server(context, streams_max=1) as found:
        yield found


async def _call(transport: Transport, there: Http2Server) -> Answer | NoAnswer:
    return await transport.call(Call(there.url, b"{}"))


async def test_who_waits_for_room_gets_it_on_another_connection(
    bounded: Bounded, single: Http2Server
) -> None:
    """All begin at once, so that nobody comes later and asks for one more."""
    transport = bounded(connections=3)
    single.script = [Do.HANG, Do.HANG]
    loop = asyncio.get_running_loop()
    calls = [loop.create_task(_call(transport, single)) for _ in range(6)]
    for each in islice(asyncio.as_completed(calls), 4):
        assert isinstance(await each, Answer)
    hanging = [each for each in calls if not each.done()]
    assert len(hanging) == 2
    assert single.connections <= 3
    for call in hanging:
        call.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


@pytest.mark.parametrize("last", [Do.HANG, Do.WARN], ids=["kept", "to be left"])
async def test_the_client_ends_what_is_under_way(
    bounded: Bounded, there: Http2Server, last: Do
) -> None:
    transport = bounded()
    there.script = [Do.HANG, last]
    loop = asyncio.get_running_loop()
    calls = [loop.create_task(_call(transport, there)) for _ in range(2)]
    await there.until(requests=2)
    # What it said of the connection has arrived when a later call has its answer.
    assert isinstance(await _call(transport, there), Answer)
    await transport.close()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 2


async def test_the_client_ends_who_waits_for_room_or_for_a_connection(
    bounded: Bounded, single: Http2Server
) -> None:
    transport = bounded(connections=1)
    single.script = [Do.HANG] * 5
    loop = asyncio.get_running_loop()
    calls = [loop.create_task(_call(transport, single)) for _ in range(5)]
    await single.until(requests=1)
    # One is let go of, and whoever is next has been called up when all is closed.
    calls[0].cancel()
    await asyncio.sleep(0)
    await transport.close()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 5
    assert single.connections == 1


async def test_a_client_that_is_closed_opens_nothing(bounded: Bounded, there: Http2Server) -> None:
    transport = bounded()
    loop = asyncio.get_running_loop()
    opening = loop.create_task(_call(transport, there))
    await asyncio.sleep(0)
    await transport.close()
    ends = await asyncio.gather(opening, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError]
    assert there.requests == 0


@pytest.mark.parametrize("port", ["65536", "99999"])
async def test_a_port_that_is_none_is_no_url(bounded: Bounded, port: str) -> None:
    said = await bounded().call(Call(f"https://127.0.0.1:{port}/", b"{}"))
    assert said == NoAnswer(NoAnswerReason.BAD_URL, sent=False)
