"""A connection from the name of a host: resolved, checked, made, and proven to be the one meant."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from aiohappyeyeballs import start_connection

from tocsin.adapters.http2.connection import Connection
from tocsin.adapters.http2.frames import HTTP_2
from tocsin.config import Outbound
from tocsin.domain.hosts import Reach
from tocsin.ports.transport import NoAnswer, NoAnswerReason, Trust

_GOODBYE_S: Final = 1.0
"""How long the other side may take to end TLS as well; it may be gone."""
_NEXT_S: Final = 0.25
"""After that the next address is tried as well (RFC 8305, 5)."""


class OtherProtocol(Exception):
    """The other side speaks no HTTP/2."""


class Unreached(Exception):
    """No connection came about."""

    def __init__(self, reason: NoAnswerReason) -> None:
        super().__init__(reason)
        self.said = NoAnswer(reason, sent=False)


class Opening:
    """Makes connections, to addresses that may be called and to nobody else."""

    def __init__(self, outbound: Outbound, reach: Reach) -> None:
        self._outbound = outbound
        self._reach = reach

    async def __call__(
        self, host: str, port: int, trust: Trust, make: Callable[[], Connection]
    ) -> Connection:
        """Return a connection made by *make*; raises `Unreached` or `OtherProtocol`."""
        try:
            async with asyncio.timeout(self._outbound.connect_timeout_ms / 1_000):
                context = await asyncio.to_thread(self._context, trust)
                return await self._shaken(await self._connected(host, port), host, context, make)
        except OSError:
            # The end of the time is one, too.
            raise Unreached(NoAnswerReason.UNREACHABLE) from None

    def _context(self, trust: Trust) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=trust.ca_file or self._outbound.ca_file)
            if trust.certificate_file is not None:
                # No password, or OpenSSL asks for one at the terminal and waits.
                context.load_cert_chain(trust.certificate_file, trust.key_file, password="")
        except OSError:
            # Files are read anew for each connection, so that a certificate can be renewed.
            raise Unreached(NoAnswerReason.TLS) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols([HTTP_2, "http/1.1"])
        return context

    async def _connected(self, host: str, port: int) -> socket.socket:
        """Connect to the first address of *host* that may be called and takes it (RFC 8305)."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            raise Unreached(NoAnswerReason.UNRESOLVED) from None
        allowed = [each for each in found if self._may_call(each[0], each[4])]
        if not allowed:
            raise Unreached(NoAnswerReason.FORBIDDEN)
        # One address that swallows what it is sent, as IPv6 does in some places, delays nobody.
        made = await start_connection(allowed, happy_eyeballs_delay=_NEXT_S, interleave=1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _may_call(self, family: int, address: Sequence[object]) -> bool:
        host, port = address[:2]
        of_ip = family in (socket.AF_INET, socket.AF_INET6)
        return of_ip and self._reach.permits(str(host), int(str(port)))

    async def _shaken(
        self,
        made: socket.socket,
        host: str,
        context: ssl.SSLContext,
        make: Callable[[], Connection],
    ) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                make,
                sock=made,
                ssl=context,
                server_hostname=host,
                ssl_shutdown_timeout=_GOODBYE_S,
            )
        except OSError:
            # Also one that ends without a word: somebody was there, and did not shake hands.
            made.close()
            raise Unreached(NoAnswerReason.TLS) from None
        except BaseException:
            made.close()
            raise
        if not connection.speaks_http_2:
            raise OtherProtocol
        try:
            await connection.greeted
        except BaseException:
            connection.abort()
            raise
        if connection.over:
            connection.abort()
            # Since TLS 1.3 a certificate of ours is refused when hands have been shaken.
            refused = connection.lost.done()
            raise Unreached(NoAnswerReason.TLS if refused else NoAnswerReason.UNREACHABLE)
        return connection
