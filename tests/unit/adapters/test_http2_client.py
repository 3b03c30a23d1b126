"""Which calls the client for few hosts makes itself, and which it leaves to the other."""

from __future__ import annotations

import pytest

from tocsin.adapters.http2.client import StreamsTransport
from tocsin.config import Outbound
from tocsin.domain.hosts import Reach
from tocsin.ports.transport import Answer, Call, NoAnswer, NoAnswerReason

INSIDE = "https://127.0.0.1/push/1"
LEFT = Answer(204)


class Otherwise:
    """The other client: says the same to all."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def call(self, call: Call) -> Answer:
        self.calls.append(call)
        return LEFT

    async def close(self) -> None:
        """Nothing is open."""


async def _said(call: Call, outbound: Outbound) -> Answer | NoAnswer:
    otherwise = Otherwise()
    client = StreamsTransport(outbound, Reach(), otherwise, lambda _: None)
    said = await client.call(call)
    assert otherwise.calls == [call] * (said is LEFT)
    await client.close()
    return said


async def test_a_host_that_we_name_is_called_here_and_never_where_it_may_not() -> None:
    said = await _said(Call(INSIDE, b"{}"), Outbound(connect_timeout_ms=60_000))
    assert said == NoAnswer(NoAnswerReason.FORBIDDEN, sent=False)


@pytest.mark.parametrize(
    "call",
    [
        Call(INSIDE, b"{}", strange=True),
        Call("http://127.0.0.1/", b"{}"),
        Call("https://push.example@127.0.0.1/", b"{}"),
        Call("https://127.0.0.1\\@push.example/", b"{}"),
        Call("https://127.0.0.1#@push.example/", b"{}"),
        Call("https://127.0.0.1?@push.example/", b"{}"),
        Call("https://[::1]/", b"{}"),
        Call("https://127.0.0.1:65536/", b"{}"),
        Call(INSIDE, b"{}", ["connection: close"]),
        Call(INSIDE, b"{}", ["x: " + "y" * 9_000]),
    ],
    ids=str,
)
async def test_what_may_be_odd_is_left_to_the_other_client(call: Call) -> None:
    assert await _said(call, Outbound()) is LEFT


async def test_what_goes_by_a_proxy_is_left_to_the_other_client() -> None:
    assert await _said(Call(INSIDE, b"{}"), Outbound(proxy="http://127.0.0.1:1")) is LEFT
