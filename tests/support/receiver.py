"""An HTTP server of a few lines that does what a test says, down to the last byte."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
HANG = b"hang"
"""In place of bytes: answer nothing, ever."""
CUT = b"cut"
"""In place of bytes: close the connection."""


@dataclass
class Seen:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers each request with the next of ``script``; with all that follow, 204."""

    url: str = ""
    port: int = 0
    script: list[bytes] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    _asked: set[asyncio.StreamWriter] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _hanging: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def callers(self) -> int:
        """How many connections a request came on."""
        return len(self._asked)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when *condition* holds, looked at after each change."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def say(self, answers: Sequence[bytes]) -> None:
        """Script the next answers."""
        self.script = list(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self.open.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, EOFError):
            pass  # the caller has gone, as callers do
        finally:
            self.open.discard(writer)
            self._changed.set()
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        pairs = [line.split(": ", 1) for line in lines[1:]]
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.seen.append(Seen(lines[0], headers, body))
        self._asked.add(writer)
        self._changed.set()
        answer = self.script.pop(0) if self.script else OK
        if answer == HANG:
            await self._hanging.wait()
        if answer in (HANG, CUT):
            return False
        writer.write(answer)
        await writer.drain()
        return b"connection: close" not in answer

    def let_go(self) -> None:
        """Close what hangs."""
        self._hanging.set()
        for writer in tuple(self.open):
            writer.transport.abort()


@asynccontextmanager
async def receiver(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Listen on this machine until the block ends."""
    found = Receiver()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    found.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{found.port}/hook"
    try:
        yield found
    finally:
        server.close()
        found.let_go()
        await server.wait_closed()


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    """Return a whole answer."""
    head = "".join(f"{line}\r\n" for line in (*headers, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 {status} x\r\n{head}\r\n".encode() + body
