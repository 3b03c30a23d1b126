"""The mail server that a sandbox plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec.structs import replace

from tests.channels.vendor_bench import NOW_MS, bench
from tocsin.channels.email.smtp.simulator import GREYLISTED_S, SmtpSimulator
from tocsin.ports.outcomes import Accepted, TryLater
from tocsin.ports.simulator import Taken


class _Watched(SmtpSimulator):
    looked = 0

    @property
    def taken(self) -> Sequence[Taken]:
        self.looked += 1
        return super().taken


async def test_a_new_connection_to_the_played_server_does_not_read_its_mailbox() -> None:
    """The library that speaks for it looks at all that its hooks have."""
    played = _Watched()
    await played.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", played.port)
        assert (await reader.readline()).startswith(b"220 ")
        writer.close()
        await writer.wait_closed()
    finally:
        await played.close()
    assert not played.looked


async def test_a_greylisted_letter_is_taken_minutes_after_it_came_first() -> None:
    now_ms = NOW_MS
    async with bench("smtp", now_ms=lambda: now_ms) as one:
        letter = replace(one.message(), address="greylist@example.test")
        for passed_s, is_taken in ((0, False), (GREYLISTED_S - 1, False), (1, True)):
            now_ms += passed_s * 1_000
            (outcome,) = await one.provider.send([letter])
            assert isinstance(outcome, Accepted if is_taken else TryLater), outcome


async def test_where_a_server_has_enough_connections_it_says_so() -> None:
    async with bench("smtp") as one:
        one.simulator.connections_max = 1
        async with hello(one.simulator.port) as first, hello(one.simulator.port) as second:
            assert (first[:4], second) == ("250-", "421 4.7.0 too many connections from you")


@asynccontextmanager
async def hello(port: int) -> AsyncIterator[str]:
    """Connect, and yield the first line that is said to a greeting."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await reader.readline()
        writer.write(b"EHLO sender.test\r\n")
        yield (await reader.readline()).decode().strip()
    finally:
        writer.close()
        await writer.wait_closed()
