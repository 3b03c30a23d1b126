"""Calls of every method, and what bounds them in time and number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import pytest

from tests.support.authority import Authority
from tests.support.receiver import HANG, Receiver, answer, receiver
from tests.support.transports import Make
from tests.support.waiting import with_time_for
from tocsin.config import Outbound
from tocsin.ports.transport import (
    WITH_BODY,
    Answer,
    Call,
    Method,
    NoAnswer,
    NoAnswerReason,
    Transport,
)

METHODS: tuple[Method, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
async def there() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found


@pytest.mark.parametrize("after", METHODS)
@pytest.mark.parametrize("method", METHODS)
async def test_a_method_leaves_nothing_behind_for_the_next(
    make: Make, there: Receiver, method: Method, after: Method
) -> None:
    transport = make(Outbound())
    for each in (after, method, method):
        body = f"a body of {each}".encode() if each in WITH_BODY else b""
        assert isinstance(await transport.call(Call(there.url, body, method=each)), Answer)
    for seen in there.seen[1:]:
        assert seen.line == f"{method} /hook HTTP/1.1"
        assert seen.body == (f"a body of {method}".encode() if method in WITH_BODY else b"")
        assert "transfer-encoding" not in seen.headers
        assert ("content-length" in seen.headers) is (method in WITH_BODY)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_an_empty_body_is_a_body_of_no_bytes(
    make: Make, there: Receiver, method: Method
) -> None:
    transport = make(Outbound())
    for body in (b"x" * 100_000, b"", b"y"):
        assert isinstance(await transport.call(Call(there.url, body, method=method)), Answer)
    assert [seen.headers["content-length"] for seen in there.seen] == ["100000", "0", "1"]
    assert there.connections == 1


async def test_headers_are_of_one_call_alone(make: Make, there: Receiver) -> None:
    transport = make(Outbound())
    lines: list[list[str]] = [["X-One: 1"], [], ["X-Two: 2"]]
    for each in lines:
        assert isinstance(await transport.call(Call(there.url, b"{}", each)), Answer)
    assert [{"x-one", "x-two"} & set(seen.headers) for seen in there.seen] == [
        {"x-one"},
        set(),
        {"x-two"},
    ]
    assert {seen.headers["user-agent"] for seen in there.seen} == {"Tocsin"}


async def test_a_body_is_of_the_type_that_is_said_or_of_none(make: Make, there: Receiver) -> None:
    transport = make(Outbound())
    for each in ([], ["Content-Type: text/plain"], ["X-One: 1"]):
        assert isinstance(await transport.call(Call(there.url, b"{}", each)), Answer)
    assert [seen.headers.get("content-type") for seen in there.seen] == [None, "text/plain", None]


async def test_nobody_is_asked_whether_a_large_body_is_wanted(make: Make, there: Receiver) -> None:
    transport = make(Outbound())
    for bytes_ in (2_000_000, 2, 2_000_000):
        assert isinstance(await transport.call(Call(there.url, b"x" * bytes_, ["X: 1"])), Answer)
    assert [len(seen.body) for seen in there.seen] == [2_000_000, 2, 2_000_000]
    assert not any("expect" in seen.headers for seen in there.seen)


async def test_each_call_goes_to_its_own_place(make: Make, there: Receiver) -> None:
    transport = make(Outbound())
    for path in ("a", "b", "b", "a"):
        await transport.call(Call(f"{there.url}/{path}", b"{}"))
    assert [seen.line.split()[1][-1] for seen in there.seen] == list("abba")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_body_where_there_is_none_is_a_mistake(make: Make, method: Method) -> None:
    with pytest.raises(ValueError, match="no body"):
        await make(Outbound()).call(Call("http://127.0.0.1/", b"x", method=method))


async def test_a_question_that_is_not_answered_may_have_been_heard(
    make: Make, there: Receiver
) -> None:
    async def asked(timeout_ms: int) -> Answer | NoAnswer:
        there.say([HANG])
        return await make(Outbound(timeout_ms=timeout_ms)).call(Call(there.url, b"", method="GET"))

    said = await with_time_for(lambda: bool(there.seen), asked)
    assert said == NoAnswer(NoAnswerReason.TIMED_OUT, sent=True)


async def test_an_answer_that_drips_ends_in_time(make: Make) -> None:
    """Each byte is in time; all of them together never are."""
    async with Dripping() as there:
        said = await with_time_for(
            lambda: there.heard,
            lambda timeout_ms: make(Outbound(timeout_ms=timeout_ms)).call(Call(there.url, b"{}")),
        )
    assert said == NoAnswer(NoAnswerReason.TIMED_OUT, sent=True)


class Dripping:
    """A server that answers a byte at a time."""

    def __init__(self) -> None:
        self.url = ""
        self.heard = False

    async def __aenter__(self) -> Self:
        self._over = asyncio.Event()
        self._server = await asyncio.start_server(self._drip, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        self._server.close()

    async def _drip(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.heard = True
        writer.write(b"HTTP/1.1 200 x\r\ncontent-length: 1000\r\n\r\n")
        while not writer.is_closing() and not self._over.is_set():
            writer.write(b"x")
            try:
                async with asyncio.timeout(0.02):
                    await self._over.wait()
            except TimeoutError:
                continue
        writer.close()


async def test_a_call_that_hangs_holds_up_no_other(make: Make, there: Receiver) -> None:
    """Not even the first to a host, from whose answer the client would learn how it speaks."""
    transport = make(Outbound())
    there.say([HANG])
    async with asyncio.TaskGroup() as calls:
        stuck = calls.create_task(_post(transport, there.url))
        await there.until(lambda: len(there.seen) == 1)
        said = await asyncio.gather(*(_post(transport, there.url) for _ in range(50)))
        assert all(isinstance(each, Answer) for each in said)
        assert not stuck.done()
        there.let_go()


async def test_where_calls_cannot_share_none_waits_for_another(make: Make, tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    transport = make(Outbound(ca_file=str(ours.ca_file)))
    async with receiver(ours.issue("127.0.0.1").server_context("http/1.1")) as there:
        there.say([answer(200, "connection: close"), HANG])
        assert isinstance(await _post(transport, there.url), Answer)
        async with asyncio.TaskGroup() as calls:
            stuck = calls.create_task(_post(transport, there.url))
            await there.until(lambda: len(there.seen) == 2)
            assert isinstance(await _post(transport, there.url), Answer)
            assert not stuck.done()
            there.let_go()


async def test_a_host_that_hangs_takes_no_connection_from_another(
    make: Make, there: Receiver
) -> None:
    async with receiver() as other:
        transport = make(Outbound(connections_per_host_max=2))
        other.say([HANG] * 2)
        async with asyncio.TaskGroup() as calls:
            stuck = [calls.create_task(_post(transport, other.url)) for _ in range(2)]
            await other.until(lambda: len(other.seen) == 2)
            said = await asyncio.gather(*(_post(transport, there.url) for _ in range(50)))
            assert all(isinstance(each, Answer) for each in said)
            assert not any(each.done() for each in stuck)
            other.let_go()
        assert there.connections <= 2


async def _post(transport: Transport, url: str) -> Answer | NoAnswer:
    return await transport.call(Call(url, b"{}"))


async def test_a_deadline_of_one_call_is_no_other_ones(make: Make, there: Receiver) -> None:
    transport = make(Outbound(timeout_ms=30_000))
    late = NoAnswer(NoAnswerReason.TIMED_OUT, sent=True)

    async def short(timeout_ms: int) -> Answer | NoAnswer:
        there.say([HANG])
        return await transport.call(Call(there.url, b"{}", timeout_ms=timeout_ms))

    assert await with_time_for(lambda: bool(there.seen), short) == late
    assert isinstance(await transport.call(Call(there.url, b"{}")), Answer)
    heard = len(there.seen)
    assert await with_time_for(lambda: len(there.seen) > heard, short) == late
