"""Calls that share a connection of HTTP/2: none of them is another's trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.authority import Authority
from tests.support.http2_server import Do, Http2Server, http2_server
from tests.support.receiver import CUT, answer, receiver
from tests.support.transports import Make, Streams
from tests.support.waiting import with_time_for
from tocsin.adapters.http.curl import CurlTransport
from tocsin.config import Outbound
from tocsin.domain.hosts import Reach, networks
from tocsin.ports.transport import Answer, Call, NoAnswer, NoAnswerReason, Transport, Trust

Within = Callable[[int], Transport]


@pytest.fixture
def within(make: Make, authority: Authority) -> Within:
    """Makes clients whose calls take so many ms at most."""
    ca_file = str(authority.ca_file)
    return lambda timeout_ms: make(Outbound(ca_file=ca_file, timeout_ms=timeout_ms))


@pytest.fixture
def transport(within: Within) -> Transport:
    return within(30_000)


@pytest.fixture
async def there(authority: Authority) -> AsyncIterator[Http2Server]:
    async with http2_server(authority.issue("127.0.0.1").server_context("h2")) as found:
        yield found


async def _post(transport: Transport, there: Http2Server, body: bytes = b"{}") -> Answer | NoAnswer:
    return await transport.call(Call(there.url, body))


async def test_many_at_once_share_few_connections(transport: Transport, there: Http2Server) -> None:
    bodies = [b"%d" % n * 50 for n in range(400)]
    said = await asyncio.gather(*(_post(transport, there, body) for body in bodies))
    assert [each.body for each in said if isinstance(each, Answer)] == bodies
    # 100 on each: with one call on each, all connections that are allowed would be open.
    assert there.connections <= 5


@pytest.mark.parametrize("streams_max", [1, 7])
async def test_no_more_at_once_than_the_other_side_takes(
    transport: Transport, authority: Authority, streams_max: int
) -> None:
    # A server of h2's ends the connection of who opens more.
    context = authority.issue("127.0.0.1").server_context("h2")
    async with http2_server(context, streams_max) as there:
        bodies = [b"%d" % n for n in range(60)]
        said = await asyncio.gather(*(_post(transport, there, body) for body in bodies))
        assert [each.body for each in said if isinstance(each, Answer)] == bodies


@pytest.mark.parametrize("fate", [Do.REFUSE, Do.GO_AWAY])
@pytest.mark.parametrize("before", [0, 1], ids=["fresh", "kept"])
async def test_a_call_that_was_not_looked_at_is_made_anew_and_once_more_only(
    transport: Transport, there: Http2Server, fate: Do, before: int
) -> None:
    there.script = [*[Do.ANSWER] * before, fate]
    for _ in range(before):
        await _post(transport, there)
    assert await _post(transport, there) == Answer(200, (b"HTTP/2 200 \r\n", b"\r\n"), b"{}")
    assert there.requests == before + 2
    there.script = [fate, fate]
    assert await _post(transport, there) == NoAnswer(NoAnswerReason.BROKEN, sent=False)
    assert there.requests == before + 4
    assert isinstance(await _post(transport, there), Answer)


@pytest.mark.parametrize("fate", [Do.FINISH, Do.HANG_UP, Do.BREAK, Do.CLOSE])
@pytest.mark.parametrize("before", [0, 1], ids=["fresh", "kept"])
async def test_a_lost_answer_is_unknown_and_the_call_is_made_once(
    transport: Transport, there: Http2Server, fate: Do, before: int
) -> None:
    there.script = [*[Do.ANSWER] * before, fate]
    for _ in range(before):
        await _post(transport, there)
    assert await _post(transport, there) == NoAnswer(NoAnswerReason.BROKEN, sent=True)
    assert there.requests == before + 1
    # That the connection has gone may show in the next call only.
    later = [await _post(transport, there) for _ in range(2)]
    assert isinstance(later[1], Answer)


async def test_where_http_1_is_spoken_a_lost_answer_is_unknown(
    transport: Transport, authority: Authority
) -> None:
    context = authority.issue("127.0.0.1").server_context("http/1.1")
    async with receiver(context) as there:
        there.say([answer(204), CUT])
        call = Call(f"https://127.0.0.1:{there.port}/", b"{}")
        assert isinstance(await transport.call(call), Answer)
        assert await transport.call(call) == NoAnswer(NoAnswerReason.BROKEN, sent=True)
        assert (len(there.seen), there.callers) == (2, 1)


async def test_a_question_that_was_not_looked_at_may_be_asked_again(
    transport: Transport, there: Http2Server
) -> None:
    there.script = [Do.REFUSE]
    said = await transport.call(Call(there.url, b"", method="GET"))
    assert isinstance(said, Answer)
    assert there.requests == 2


async def test_a_call_that_hangs_holds_up_none_on_its_connection(
    transport: Transport, there: Http2Server
) -> None:
    there.script = [Do.ANSWER, Do.HANG]
    await _post(transport, there)
    hanging = asyncio.get_running_loop().create_task(_cancelled(transport, there))
    await there.until(requests=2)
    said = await asyncio.gather(*(_post(transport, there) for _ in range(30)))
    assert all(isinstance(each, Answer) for each in said)
    assert not hanging.done()
    assert there.connections == 1
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)


async def test_no_answer_in_time_is_unknown_and_the_next_call_goes_on(
    within: Within, there: Http2Server
) -> None:
    async def short(timeout_ms: int) -> tuple[Transport, Answer | NoAnswer]:
        transport = within(timeout_ms)
        there.script = [Do.HANG]
        return transport, await _post(transport, there)

    transport, said = await with_time_for(lambda: there.requests > 0, short)
    assert said == NoAnswer(NoAnswerReason.TIMED_OUT, sent=True)
    there.script = []
    assert isinstance(await transport.call(Call(there.url, b"{}", timeout_ms=30_000)), Answer)


async def test_a_cancelled_call_gives_up_its_stream_alone(
    transport: Transport, there: Http2Server
) -> None:
    there.script = [Do.ANSWER, Do.HANG]
    await _post(transport, there)
    calling = asyncio.get_running_loop().create_task(_cancelled(transport, there))
    await there.until(requests=2)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert isinstance(await _post(transport, there), Answer)
    await there.until(resets=1)
    assert there.connections == 1


async def _cancelled(transport: Transport, there: Http2Server) -> None:
    await _post(transport, there)


@pytest.fixture
def narrow(make: Make, authority: Authority) -> Transport:
    """May have one connection to a host."""
    return make(Outbound(ca_file=str(authority.ca_file), connections_per_host_max=1))


async def test_who_waits_for_room_in_vain_was_not_heard_and_holds_up_nobody(
    narrow: Transport, authority: Authority
) -> None:
    context = authority.issue("127.0.0.1").server_context("h2")
    async with http2_server(context, streams_max=1) as there:
        await _post(narrow, there)
        there.script = [Do.HANG]
        loop = asyncio.get_running_loop()
        hanging = loop.create_task(_cancelled(narrow, there))
        await there.until(requests=2)
        given_up = loop.create_task(_cancelled(narrow, there))
        behind = loop.create_task(narrow.call(Call(there.url, b"behind")))
        late = await narrow.call(Call(there.url, b"{}", timeout_ms=100))
        assert late == NoAnswer(NoAnswerReason.UNREACHABLE, sent=False)
        given_up.cancel()
        hanging.cancel()
        said = await behind
        assert isinstance(said, Answer)
        assert (said.body, there.requests, there.connections) == (b"behind", 3, 1)
        await asyncio.gather(hanging, given_up, return_exceptions=True)


async def test_a_host_that_was_not_there_is_found_when_it_is(
    transport: Transport, authority: Authority
) -> None:
    context = authority.issue("127.0.0.1").server_context("h2")
    async with http2_server(context) as gone:
        url, port = gone.url, gone.port
    nobody = NoAnswer(NoAnswerReason.UNREACHABLE, sent=False)
    calls = (transport.call(Call(url, b"{}")) for _ in range(20))
    assert set(map(repr, await asyncio.gather(*calls))) == {repr(nobody)}
    async with http2_server(context, port=port):
        assert isinstance(await transport.call(Call(url, b"{}")), Answer)


@pytest.mark.parametrize("client", [CurlTransport, Streams], ids=["curl", "streams"])
async def test_an_address_where_nobody_is_leads_to_the_next(
    client: Callable[[Outbound, Reach], Transport], authority: Authority
) -> None:
    """The name stands for ::1 as well, on which nothing listens."""
    outbound = Outbound(ca_file=str(authority.ca_file))
    transport = client(outbound, Reach(networks(["127.0.0.0/8", "::1/128"])))
    async with http2_server(authority.issue("localhost").server_context("h2")) as there:
        said = await transport.call(Call(f"https://localhost:{there.port}/", b"{}"))
        assert isinstance(said, Answer)
    await transport.close()


async def test_a_certificate_is_shown_on_its_own_connection(
    transport: Transport, authority: Authority
) -> None:
    context = authority.issue("127.0.0.1").server_context("h2", client_ca=authority.ca_file)
    own = [authority.issue(name) for name in ("first.example", "second.example")]
    async with http2_server(context) as there:
        for issued in (*own, *own):
            trust = Trust(str(authority.ca_file), str(issued.certificate), str(issued.key))
            said = await transport.call(Call(there.url, b"{}", trust=trust))
            assert isinstance(said, Answer)
        assert there.connections == 2


async def test_where_there_is_no_room_for_another_connection_the_other_client_calls(
    make: Make, authority: Authority, there: Http2Server
) -> None:
    transport = make(Outbound(ca_file=str(authority.ca_file), connections_max=1))
    said = await asyncio.gather(*(_post(transport, there) for _ in range(20)))
    assert all(isinstance(each, Answer) for each in said)
    assert there.connections == 1
