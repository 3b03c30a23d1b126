"""
The client for hosts that many calls go to: one connection of HTTP/2 takes hundreds at a time.

libcurl makes a write, a read and a dozen callbacks for each call. Here many share them, and little
is done for each, at the price of a client of our own: for HTTP/2 over TLS alone, and with another
one behind it for all the rest.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Final

from tocsin.adapters.http2 import heads
from tocsin.adapters.http2.connection import Connection
from tocsin.adapters.http2.host import Host, Room
from tocsin.adapters.http2.opening import Opening, OtherProtocol, Unreached
from tocsin.adapters.http2.stream import Unseen
from tocsin.config import Outbound
from tocsin.domain.hosts import Reach
from tocsin.ports.transport import (
    WITH_BODY,
    Answer,
    Call,
    NoAnswer,
    NoAnswerReason,
    Transport,
    Trust,
)

_URL: Final = re.compile(
    r"https://(([A-Za-z0-9](?:[A-Za-z0-9.-]*))(?::([0-9]{1,5}))?)(/[!-\"$-~]*)?", re.ASCII
)
"""Authority, host, port and path of what is called here; anything odd is left to the other."""
_HEAD_BYTES_MAX: Final = 8_192
_HOSTS_MAX: Final = 256
_PORT_MAX: Final = 65_535
_REFUSED: Final = NoAnswer(NoAnswerReason.BROKEN, sent=False)
_TWICE: Final = 2


class StreamsTransport:
    """
    Fills `tocsin.ports.transport.Transport` for few hosts with many calls each.

    What is no HTTP/2 over TLS, goes through a proxy, or to a host that a stranger named,
    *otherwise* makes, which stays its owner's to close. It is to have no more connections than the
    settings leave beside those here, so *taken* is told how many these are; one is always left to
    it.
    """

    def __init__(
        self,
        outbound: Outbound,
        reach: Reach,
        otherwise: Transport,
        taken: Callable[[int], None],
    ) -> None:
        self._room = Room(outbound.connections_max - 1, taken)
        self._outbound = outbound
        self._otherwise = otherwise
        self._opening = Opening(outbound, reach)
        self._hosts: dict[tuple[str, Trust], Host] = {}
        self._lines = heads.Lines()
        self._closed = False

    async def call(self, call: Call) -> Answer | NoAnswer:
        """Make one call on a connection that it shares with others."""
        if call.strange or self._outbound.proxy is not None:
            return await self._otherwise.call(call)
        place = _URL.fullmatch(call.url)
        head = None if place is None else self._head_of(call, place[1], place[4] or "/")
        if place is None or head is None:
            return await self._otherwise.call(call)
        host = self._hosts.get((place[1], call.trust)) or self._host(place, call.trust)
        if host is None or not host.speaks_http_2:
            return await self._otherwise.call(call)
        try:
            return await self._made(call, host, head)
        except Unreached as error:
            return error.said
        except OtherProtocol:
            return await self._otherwise.call(call)

    async def _made(self, call: Call, host: Host, head: bytes) -> Answer | NoAnswer:
        """Make a call; anew, once, where the other side says that it has not looked at it."""
        timeout_ms = call.timeout_ms or self._outbound.timeout_ms
        due_s = asyncio.get_running_loop().time() + timeout_ms / 1_000
        for _ in range(_TWICE):
            connection = host.free() or await host.wait(due_s)
            number, end = connection.begin(head, call.body, due_s)
            try:
                said = await end
            except asyncio.CancelledError:
                connection.give_up(number)
                raise
            if not isinstance(said, Unseen):
                return said
        return _REFUSED

    def _host(self, place: re.Match[str], trust: Trust) -> Host | None:
        name, port = place[2], int(place[3] or 443)
        if len(self._hosts) >= _HOSTS_MAX or port > _PORT_MAX or self._closed:
            return None
        make = partial(
            Connection,
            streams_max=self._outbound.streams_max,
            answer_bytes_max=self._outbound.answer_bytes_max,
        )
        host = self._hosts[place[1], trust] = Host(
            lambda changed: self._opening(name, port, trust, partial(make, changed)),
            self._outbound.connections_per_host_max,
            self._room,
        )
        return host

    async def close(self) -> None:
        """Close every connection; calls under way end as cancelled."""
        self._closed = True
        self._room.close()
        await asyncio.gather(*(host.close() for host in self._hosts.values()))
        # Calls under way wake up as cancelled.
        await asyncio.sleep(0)

    def _head_of(self, call: Call, authority: str, path: str) -> bytes | None:
        """Return the head of the request; None for one that the other client had better make."""
        said = "".join(call.headers)
        if not (said.isascii() and said.isprintable()):
            raise ValueError("a header holds what is no printable ASCII")
        has_body = call.method in WITH_BODY
        if call.body and not has_body:
            raise ValueError(f"a {call.method} has no body")
        if len(said) + len(path) > _HEAD_BYTES_MAX:
            return None
        fields = [heads.beginning(call.method, authority), heads.path(path), heads.AGENT]
        if has_body:
            fields.append(heads.length(len(call.body)))
        try:
            fields += self._lines.fields(authority, call.headers)
        except heads.Odd:
            return None
        return b"".join(fields)
