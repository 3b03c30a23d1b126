"""
Leads vendors' own clients, unpatched, to our simulators.

Most of them hard-code the vendor's host and speak only TLS. All heed the environment, though: a
proxy for HTTPS and a file of trusted certificates. This is that proxy. It ends the TLS with a
certificate of the tests' authority for the host that was asked for, and hands what is inside to a
port of this machine; hosts that it was not told of it refuses, so that nothing leaves::

    async with vendor_proxy(tmp_path, {"api.twilio.com": simulator.port}) as proxy:
        proxy.lead(monkeypatch)
        sent = await asyncio.to_thread(client.messages.create, to=..., body=...)
    assert proxy.asked == ["api.twilio.com:443"]

Clients that block run in a thread, as above, since proxy and simulator share the test's loop. A
simulator that speaks TLS itself is named by ``Behind(port, tls=True)``; the protocol that the
client then chooses by ALPN (``h2``) is the one that is spoken with the simulator. A client that
takes proxy and certificates as arguments is given ``proxy.url`` and ``proxy.ca_file``.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.authority import Authority

_PROXIES = ("HTTPS_PROXY", "https_proxy")
_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")
_MISLEADING = ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_DIR")
_CHUNK = 64 * 1_024

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Behind:
    """Who answers for a host: a port of 127.0.0.1, and whether it speaks TLS itself."""

    port: int
    tls: bool = False


class VendorProxy:
    """A proxy that knows ``CONNECT``; ``asked`` holds what it was asked for, in order."""

    def __init__(self, folder: Path, hosts: Mapping[str, Behind]) -> None:
        self._authority = Authority(folder, "vendors")
        self._hosts = hosts
        self._ends: dict[str, int] = {}
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.StreamWriter] = set()
        self.asked: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        """Whom a client has to trust."""
        return self._authority.ca_file

    def lead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set the environment, until the test ends, so that clients come here."""
        for name in _MISLEADING:
            monkeypatch.delenv(name, raising=False)
        for name in _PROXIES:
            monkeypatch.setenv(name, self.url)
        for name in _TRUST:
            monkeypatch.setenv(name, str(self.ca_file))

    async def start(self) -> None:
        """Listen for each host, then for clients."""
        for host, behind in self._hosts.items():
            self._ends[host] = await self._end_tls(host, behind)
        self.port = await self._listen(self._connect)

    async def close(self) -> None:
        """Stop listening, and break off what is open."""
        for server in self._servers:
            server.close()
        for writer in tuple(self._open):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _listen(self, serve: Serve, tls: ssl.SSLContext | None = None) -> int:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _end_tls(self, host: str, behind: Behind) -> int:
        protocols = ("h2", "http/1.1") if behind.tls else ("http/1.1",)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            spoken = writer.get_extra_info("ssl_object").selected_alpn_protocol()
            onward = _unchecked(spoken or "http/1.1") if behind.tls else None
            await self._join(reader, writer, behind.port, onward)

        return await self._listen(serve, self._authority.issue(host).server_context(*protocols))

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client: the host that it asks for, or a refusal."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (OSError, EOFError):
            writer.close()
            return
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        self.asked.append(target)
        end = self._ends.get(target.rpartition(":")[0])
        if method != "CONNECT" or end is None:
            writer.write(b"HTTP/1.1 403 nobody here\r\ncontent-length: 0\r\n\r\n")
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 connected\r\n\r\n")
        await self._join(reader, writer, end, None)

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        port: int,
        tls: ssl.SSLContext | None,
    ) -> None:
        """Carry bytes both ways until one side ends."""
        self._open.add(writer)
        try:
            there = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
            self._open.add(there[1])
            await asyncio.gather(_carry(reader, there[1]), _carry(there[0], writer))
            self._open.discard(there[1])
        except OSError:
            writer.transport.abort()
        finally:
            self._open.discard(writer)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        writer.transport.abort()
    finally:
        writer.close()


def _unchecked(protocol: str) -> ssl.SSLContext:
    # The simulator's certificate is its own affair; who it is follows from its port.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


@asynccontextmanager
async def vendor_proxy(
    folder: Path, hosts: Mapping[str, int | Behind]
) -> AsyncIterator[VendorProxy]:
    """Lead *hosts* to ports of this machine until the block ends; certificates are in *folder*."""
    behind = {
        host: each if isinstance(each, Behind) else Behind(each) for host, each in hosts.items()
    }
    proxy = VendorProxy(folder, behind)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
