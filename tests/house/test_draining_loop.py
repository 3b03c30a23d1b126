"""What is still closing when a test's loop ends is waited for; what nobody closed is named."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest

from tests.support.draining_loop import DrainingLoop


class Slow(asyncio.Protocol):
    """Hangs up some turns after the other side has."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def eof_received(self) -> bool:
        asyncio.get_running_loop().call_later(0.01, self._transport.close)
        return True


async def connected(end: socket.socket) -> asyncio.BaseTransport:
    transport, _ = await asyncio.get_running_loop().create_connection(Slow, sock=end)
    return transport


def test_what_is_still_closing_has_ended_before_the_loop() -> None:
    ours, theirs = socket.socketpair()
    loop = DrainingLoop()
    loop.run_until_complete(connected(ours))
    theirs.close()
    loop.close()
    # Had it been left to the garbage collector, that would warn.
    gc.collect()
    assert ours.fileno() == -1


def test_what_nobody_closes_is_named() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        loop = DrainingLoop(patience_s=0)
        loop.add_reader(ours, theirs.close)
        with pytest.warns(ResourceWarning, match="still open when its loop ended"):
            loop.close()
