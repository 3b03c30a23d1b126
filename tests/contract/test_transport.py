"""What every client for HTTP keeps."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.receiver import CUT, HANG, Receiver, answer, receiver
from tests.support.transports import Streams
from tests.support.waiting import with_time_for
from tocsin.adapters.http.curl import CurlTransport
from tocsin.adapters.http.watching import LoopWatch
from tocsin.config import Outbound
from tocsin.domain.hosts import Reach
from tocsin.ports.transport import Answer, Call, NoAnswer, NoAnswerReason, Transport

LOOPBACK = Reach([ip_network("127.0.0.0/8")])
Make = Callable[[Outbound, Reach], Transport]


# What systems without epoll watch sockets with must not be worse.
LOOP_WATCH = partial(CurlTransport, open_watch=LoopWatch)


@pytest.fixture(params=[CurlTransport, LOOP_WATCH, Streams], ids=["curl", "curl-loop", "streams"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    made: list[Transport] = []

    def one(outbound: Outbound, reach: Reach) -> Transport:
        made.append(request.param(outbound, reach))
        return made[-1]

    yield one
    for each in made:
        await each.close()


@pytest.fixture
async def there() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found


@pytest.fixture
def transport(make: Make) -> Transport:
    return make(Outbound(), LOOPBACK)


async def test_a_call_arrives_byte_by_byte(transport: Transport, there: Receiver) -> None:
    body = bytes(range(256)) * 500
    said = await transport.call(Call(there.url, body, ["X-One: 1", "X-Two: zwei"]))
    assert isinstance(said, Answer)
    assert said.status == 204
    (seen,) = there.seen
    assert seen.line == "POST /hook HTTP/1.1"
    assert seen.body == body
    assert (seen.headers["x-one"], seen.headers["x-two"]) == ("1", "zwei")
    assert seen.headers["user-agent"] == "Tocsin"
    assert "expect" not in seen.headers


async def test_an_answer_is_what_came_last(transport: Transport, there: Receiver) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n"
    there.say([early + answer(429, "retry-after: 30", "X: y", body=b"slow down")])
    said = await transport.call(Call(there.url, b"{}"))
    assert isinstance(said, Answer)
    assert (said.status, said.body) == (429, b"slow down")
    assert (said.header(b"retry-after"), said.header(b"x"), said.header(b"z")) == (
        b"30",
        b"y",
        None,
    )


async def test_connections_are_kept_and_answers_are_not_mixed(
    transport: Transport, there: Receiver
) -> None:
    there.say([answer(210 + n, body=b"%d" % n) for n in range(20)])
    for n in range(20):
        said = await transport.call(Call(there.url, b"%d" % n))
        assert isinstance(said, Answer)
        assert (said.status, said.body) == (210 + n, b"%d" % n)
    assert there.connections == 1
    assert [seen.body for seen in there.seen] == [b"%d" % n for n in range(20)]


async def test_many_at_once_share_few_connections(make: Make, there: Receiver) -> None:
    transport = make(Outbound(connections_per_host_max=4), LOOPBACK)
    calls = [transport.call(Call(there.url, b"%d" % n)) for n in range(200)]
    said = await asyncio.gather(*calls)
    assert {each.status for each in said if isinstance(each, Answer)} == {204}
    assert sorted(int(seen.body) for seen in there.seen) == list(range(200))
    assert there.connections <= 4


async def test_no_redirect_is_followed(transport: Transport, there: Receiver) -> None:
    there.say([answer(307, f"Location: {there.url}/other")])
    said = await transport.call(Call(there.url, b"{}"))
    assert isinstance(said, Answer)
    assert said.status == 307
    assert len(there.seen) == 1


@pytest.mark.parametrize("before", [0, 1], ids=["fresh", "kept"])
@pytest.mark.parametrize("cut", [CUT, b"HTTP/1.1 200 OK\r\nX-Half", b"nonsense\r\n\r\n"])
async def test_a_lost_answer_is_unknown_and_the_call_is_made_once(
    transport: Transport, there: Receiver, before: int, cut: bytes
) -> None:
    last = [cut] if cut == CUT else [cut + b"connection: close"]
    there.say([*[answer(200)] * before, *last])
    for _ in range(before):
        await transport.call(Call(there.url, b"{}"))
    said = await transport.call(Call(there.url, b"{}"))
    assert said == NoAnswer(NoAnswerReason.BROKEN, sent=True)
    assert len(there.seen) == before + 1


async def test_no_answer_in_time_is_unknown(make: Make, there: Receiver) -> None:
    async def within(timeout_ms: int) -> tuple[Transport, Answer | NoAnswer]:
        transport = make(Outbound(timeout_ms=timeout_ms), LOOPBACK)
        there.say([HANG])
        return transport, await transport.call(Call(there.url, b"{}"))

    transport, said = await with_time_for(lambda: bool(there.seen), within)
    assert said == NoAnswer(NoAnswerReason.TIMED_OUT, sent=True)
    assert isinstance(await transport.call(Call(there.url, b"{}", timeout_ms=30_000)), Answer)


async def test_waiting_for_a_connection_ends_as_known(make: Make, there: Receiver) -> None:
    transport = make(Outbound(connections_per_host_max=1), LOOPBACK)
    there.say([HANG])
    async with asyncio.TaskGroup() as calls:
        first = calls.create_task(_post(transport, there.url))
        await there.until(lambda: len(there.seen) == 1)
        behind = await transport.call(Call(there.url, b"{}", timeout_ms=100))
        there.let_go()
    assert behind == NoAnswer(NoAnswerReason.UNREACHABLE, sent=False)
    assert first.result() == NoAnswer(NoAnswerReason.BROKEN, sent=True)
    assert len(there.seen) == 1


async def _post(transport: Transport, url: str) -> Answer | NoAnswer:
    return await transport.call(Call(url, b"{}"))


async def test_a_handshake_that_hangs_is_known(make: Make) -> None:
    transport = make(Outbound(connect_timeout_ms=100), LOOPBACK)
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
    assert await transport.call(Call(url, b"{}")) == NoAnswer(
        NoAnswerReason.UNREACHABLE, sent=False
    )
    listening.close()


async def test_nobody_there_is_known(transport: Transport, unused_port: int) -> None:
    said = await transport.call(Call(f"http://127.0.0.1:{unused_port}/", b"{}"))
    assert said == NoAnswer(NoAnswerReason.UNREACHABLE, sent=False)
    said = await transport.call(Call("http://name.invalid/", b"{}"))
    assert said == NoAnswer(NoAnswerReason.UNRESOLVED, sent=False)


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://127.0.0.1/", "file:///etc/passwd"])
async def test_what_is_no_url_of_http_is_not_called(transport: Transport, url: str) -> None:
    said = await transport.call(Call(url, b"{}"))
    assert isinstance(said, NoAnswer)
    assert (said.sent, said.reason) in {
        (False, NoAnswerReason.BAD_URL),
        (False, NoAnswerReason.UNRESOLVED),
    }


HIDDEN = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "localhost",
    "localhost.",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "user@127.0.0.1",
    "①②⑦.⓪.⓪.①",
)


@pytest.mark.parametrize("host", HIDDEN)
async def test_no_spelling_of_this_machine_is_reached(
    make: Make, there: Receiver, host: str
) -> None:
    transport = make(Outbound(), Reach(ports=[80, 443, there.port]))
    said = await transport.call(Call(f"http://{host}:{there.port}/", b"{}"))
    assert isinstance(said, NoAnswer)
    assert not said.sent
    assert said.reason in {
        NoAnswerReason.FORBIDDEN,
        NoAnswerReason.UNRESOLVED,
        NoAnswerReason.BAD_URL,
    }
    assert there.connections == 0


async def test_an_address_is_checked_for_each_connection(make: Make, there: Receiver) -> None:
    """A name may lead to the inside later than when it was looked at."""

    class Changing(Reach):
        calm = True

        def permits(self, address: str, port: int) -> bool:
            return self.calm

    reach = Changing()
    transport = make(Outbound(), reach)
    there.say([answer(200, "connection: close")])
    url = f"http://localhost:{there.port}/"
    assert isinstance(await transport.call(Call(url, b"{}")), Answer)
    reach.calm = False
    assert await transport.call(Call(url, b"{}")) == NoAnswer(NoAnswerReason.FORBIDDEN, sent=False)


async def test_the_environment_names_no_proxy(
    transport: Transport, there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiver() as proxy:
        for name in ("http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await transport.call(Call(there.url, b"{}"))
        assert (len(proxy.seen), len(there.seen)) == (0, 1)


async def test_a_proxy_that_is_set_gets_every_call(make: Make) -> None:
    async with receiver() as proxy:
        transport = make(Outbound(proxy=f"http://127.0.0.1:{proxy.port}"), Reach())
        assert isinstance(await transport.call(Call("http://shop.example/x", b"{}")), Answer)
        assert proxy.seen[0].line == "POST http://shop.example/x HTTP/1.1"


@pytest.mark.parametrize("length", ["told", "untold"])
async def test_an_answer_is_read_to_its_limit(make: Make, there: Receiver, length: str) -> None:
    transport = make(Outbound(answer_bytes_max=1_024), LOOPBACK)
    body = b"x" * 1_000_000
    chunked = b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\nf4240\r\n" + body
    there.say([answer(200, body=body) if length == "told" else chunked + b"\r\n0\r\n\r\n"])
    said = await transport.call(Call(there.url, b"{}"))
    assert isinstance(said, Answer)
    assert said.status == 200
    assert len(said.body) <= 64 * 1_024


async def test_endless_headers_are_no_answer(make: Make, there: Receiver) -> None:
    transport = make(Outbound(timeout_ms=10_000), LOOPBACK)
    there.say([b"HTTP/1.1 200 x\r\n" + b"x: " + b"y" * 2_000_000 + b"\r\n\r\n"])
    assert await transport.call(Call(there.url, b"{}")) == NoAnswer(
        NoAnswerReason.BROKEN, sent=True
    )


async def test_a_cancelled_call_closes_its_connection(
    transport: Transport, there: Receiver
) -> None:
    there.say([HANG])
    calling = asyncio.get_running_loop().create_task(_post(transport, there.url))
    await there.until(lambda: len(there.seen) == 1)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert isinstance(await transport.call(Call(there.url, b"{}")), Answer)
    assert there.connections == 2


@pytest.mark.parametrize(
    "line", ["X: a\r\nY: b", "X: a\nY: b", "X: \x00", "X: a\x7f", "X: \xe9", "X:\ta"]
)
async def test_a_header_cannot_hold_another(transport: Transport, line: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        await transport.call(Call("http://127.0.0.1/", b"{}", [line]))


def _context(folder: Path, host: str) -> tuple[Path, ssl.SSLContext]:
    authority = Authority(folder)
    return authority.ca_file, authority.issue(host).server_context()


@pytest.mark.parametrize(
    ("trusted", "host"), [(1, "127.0.0.1"), (0, "127.0.0.1"), (1, "127.0.0.9")]
)
async def test_who_does_not_prove_its_name_gets_nothing(
    make: Make, tmp_path: Path, trusted: int, host: str
) -> None:
    path, context = _context(tmp_path, host)
    async with receiver(context) as there:
        outbound = Outbound(ca_file=str(path)) if trusted else Outbound()
        said = await make(outbound, LOOPBACK).call(Call(there.url, b"{}"))
        if trusted and host == "127.0.0.1":
            assert isinstance(said, Answer)
        else:
            assert said == NoAnswer(NoAnswerReason.TLS, sent=False)
            assert not there.seen


async def test_an_old_tls_is_not_spoken(make: Make, tmp_path: Path) -> None:
    path, context = _context(tmp_path, "127.0.0.1")
    async with receiver(context) as there:
        await make(Outbound(ca_file=str(path)), LOOPBACK).call(Call(there.url, b"{}"))
        (spoken,) = {writer.get_extra_info("ssl_object").version() for writer in there.open}
    assert spoken in {"TLSv1.2", "TLSv1.3"}


def test_nothing_that_is_shown_holds_what_is_sent() -> None:
    call = Call("https://canary.example/", b"canary", ["Authorization: canary"])
    shown: Sequence[object] = [call, Answer(200, (b"canary",), b"canary")]
    assert "canary" not in repr(shown)
