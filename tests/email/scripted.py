"""A mail server that answers what a test wants, and remembers what it was told."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from tests.support.waiting import awaited
from tocsin.channels.email import CHANNEL
from tocsin.channels.email.smtp.provider import Smtp, build
from tocsin.channels.email.smtp.settings import SmtpSettings
from tocsin.config import Secret
from tocsin.ports.message import Message
from tocsin.ports.outcomes import ProviderOutcome
from tocsin.ports.provider import ProviderTools
from tocsin.ports.transport import Answer, Call, NoAnswer

HANG_UP = b""
SILENCE = b"silence"
PLAIN = ("SIZE 10000", "8BITMIME", "AUTH PLAIN LOGIN")
MODERN = ("PIPELINING", "SMTPUTF8", *PLAIN)
_POLITE = {"AUTH": b"235 2.7.0 Welcome", "DATA": b"354 Go on", "QUIT": b"221 2.0.0 Bye"}


class Server:
    """
    Answers politely, except where ``script`` has something else for a verb, in its order.

    Verbs are those of SMTP, ``GREETING`` and ``.`` for a letter. A text may hold several lines;
    `HANG_UP` ends the connection, `SILENCE` says nothing more.
    """

    def __init__(self, extensions: Sequence[str] = MODERN) -> None:
        self.extensions = extensions
        self.script: defaultdict[str, deque[bytes]] = defaultdict(deque)
        self.heard: list[list[str]] = []
        """The commands of each connection."""
        self.chunks: list[bytes] = []
        """What came in one piece."""
        self.letters: list[bytes] = []
        self.open = 0
        self.most_open = 0
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        self.changed = asyncio.Condition()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Server]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(server.sockets[0].getsockname()[1])
        try:
            yield self
        finally:
            server.close()

    async def until_open(self, count: int) -> None:
        """Return when so many connections are open."""
        await self.until(f"{count} connections are open", lambda: self.open == count)

    async def until_heard(self, verb: str, count: int = 1) -> None:
        """Return when a command was heard so often."""
        await self.until(f"{verb} was heard", lambda: sum(self._heard(verb)) >= count)

    async def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Return when *condition* holds, looked at after each change."""
        async with self.changed:
            await awaited(what, self.changed.wait_for(condition))

    def _heard(self, verb: str) -> list[bool]:
        return [line.startswith(verb) for lines in self.heard for line in lines]

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        heard: list[str] = []
        self.heard.append(heard)
        await self._tell()
        try:
            await self._talk(reader, writer, heard)
        except (OSError, EOFError):
            pass
        finally:
            self.open -= 1
            writer.close()
            await self._tell()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: list[str]
    ) -> None:
        if not await self._say(writer, "GREETING", b"220 scripted"):
            return
        rest, letter = b"", False
        while chunk := await reader.read(65_536):
            self.chunks.append(chunk)
            rest += chunk
            while True:
                end = b"\r\n.\r\n" if letter and not rest.startswith(b".\r\n") else b"\r\n"
                line, found, rest_after = rest.partition(end)
                if not found:
                    break
                rest = rest_after
                # What is no text is no command either, such as the beginning of TLS.
                said = "." if letter else line.decode(errors="replace")
                heard.append(said)
                await self._tell()
                if letter:
                    self.letters.append(line + b"\r\n")
                verb = said.split(" ", 1)[0].split(":")[0].upper()
                letter = await self._answer(writer, verb, letter=letter) == b"354"

    async def _answer(self, writer: asyncio.StreamWriter, verb: str, *, letter: bool) -> bytes:
        polite = _POLITE.get(verb, b"250 2.0.0 Ok")
        if letter:
            polite = b"250 2.0.0 Ok: queued as L%04d" % len(self.letters)
        if verb == "EHLO":
            lines = ["scripted", *self.extensions]
            marks = ["-"] * (len(lines) - 1) + [" "]
            polite = "\r\n".join(
                f"250{mark}{line}" for mark, line in zip(marks, lines, strict=True)
            ).encode()
        said = await self._say(writer, verb, polite)
        if not said:
            raise EOFError
        if verb == "STARTTLS" and said.startswith(b"220") and self.tls is not None:
            await writer.start_tls(self.tls)
            self.extensions = MODERN
        return said[:3]

    async def _say(self, writer: asyncio.StreamWriter, verb: str, polite: bytes) -> bytes:
        said = self.script[verb].popleft() if self.script[verb] else polite
        if said == HANG_UP:
            writer.transport.abort()
            return b""
        if said == SILENCE:
            return said
        writer.write(said + b"\r\n")
        await writer.drain()
        return said


class NoTransport:
    """SMTP needs no HTTP."""

    async def call(self, call: Call) -> Answer | NoAnswer:
        raise AssertionError("SMTP needs no HTTP")

    async def close(self) -> None:
        """Nothing is open."""


def provider_of(server: Server, **settings: object) -> Smtp:
    """Return the provider, led to *server*."""
    values: dict[str, object] = {
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "username": "user",
        "password": Secret("secret"),
        "from_address": "shop@sender.test",
        **settings,
    }
    tools = ProviderTools("smtp", NoTransport(), lambda: 1_900_000_000_000)
    return build(SmtpSettings(**values), tools)  # type: ignore[arg-type]  # what a table would hold


def message(n: int = 1, address: str = "ana@example.test", body: str = "Hello") -> Message:
    return Message(f"dlv_{n:040x}", address, CHANNEL.shape({"title": f"No {n}", "body": body}))


async def send(provider: Smtp, one: Message | None = None) -> ProviderOutcome:
    (outcome,) = await provider.send([one or message()])
    return outcome
