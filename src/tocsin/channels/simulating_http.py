"""What simulators of vendors with an HTTP API share: requests read, answers written."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from tocsin.channels.simulating import Simulating
from tocsin.domain.json_check import UNREADABLE
from tocsin.ports.simulator import Stage

BODILESS: Final = frozenset({204, 304})
BODY_MAX: Final = 64 * 1_024 * 1_024


@dataclass(frozen=True, slots=True)
class Request:
    """A request that arrived whole; names of headers in lower case, ``raw`` as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes
    connection: int = 0
    """Which one it came over, where a vendor looks at that."""
    client: str | None = None
    """The common name of the certificate that the caller showed, if it did."""

    @property
    def path(self) -> str:
        """The path without escapes."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        """The fields of the query; of one that is repeated the last."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def form(self) -> list[tuple[str, str]]:
        """Return the fields of a form (``application/x-www-form-urlencoded``), in order."""
        return parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)

    def json(self) -> Any:
        """Return the body's value; raises ``msgspec.DecodeError``."""
        return msgspec.json.decode(self.body)

    def fields(self) -> dict[str, Any]:
        """Return the members of the object that the body is; none of anything else."""
        try:
            found = self.json()
        except UNREADABLE:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a vendor answers; the length is written by itself."""

    status: int
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = field(default=())

    @classmethod
    def json(cls, status: int, value: object, *headers: tuple[str, str]) -> Reply:
        """Return an answer with *value* as JSON."""
        kind = ("content-type", "application/json")
        return cls(status, msgspec.json.encode(value), (kind, *headers))


@dataclass(frozen=True, slots=True)
class Instead:
    """
    What callers get in place of the vendor's answer: load balancers and broken proxies speak so.

    ``status`` None keeps the vendor's, and is of use with ``taking`` only: then the vendor does
    what it was asked, and only what it says is lost. ``early`` is a status of 1xx that goes ahead
    of the answer.
    """

    status: int | None = None
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = ()
    taking: bool = False
    early: int | None = None

    def of(self, reply: Reply | None) -> Reply | None:
        """Return what is said in place of *reply*; a lost one stays lost."""
        if self.early is not None:
            return reply
        if self.status is not None:
            return Reply(self.status, self.body, self.headers)
        return None if reply is None else Reply(reply.status, self.body, self.headers)


class HttpSimulating(Simulating):
    """`Simulating` for HTTP: a folder's simulator adds `_reply`, and calls `_listen_for_http`."""

    def __init__(self) -> None:
        super().__init__()
        self._instead: Instead | None = None

    def answer_instead(self, instead: Instead | None) -> None:
        """Answer every request so from now on; with None, as the vendor does."""
        self._instead = instead

    @property
    def early(self) -> int | None:
        """The status that goes ahead of every answer."""
        return None if self._instead is None else self._instead.early

    async def reply_to(self, request: Request) -> Reply | None:
        """Answer *request* as a server of any protocol hands it over; None: close instead."""
        instead = self._instead
        if instead is None:
            return await self._reply(request)
        done = instead.taking or instead.early is not None
        return instead.of(await self._reply(request) if done else None)

    @abstractmethod
    async def _reply(self, request: Request) -> Reply | None:
        """
        Answer *request*; None closes the connection instead.

        For a call that sends messages: `_arrived`, then for each message `_deal` and `_keep`, then
        `_wait`; None where the deal is lost.
        """

    async def _listen_for_http(self, stage: Stage | None) -> int:
        """Listen; returns the port."""
        return await self._open(stage, self._streams(self._serve))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connected(writer.transport)
        try:
            while (reply := await self.reply_to(await _read(reader))) is not None:
                if self.early is not None:
                    writer.write(b"HTTP/1.1 %d x\r\n\r\n" % self.early)
                writer.write(_written(reply))
                await writer.drain()
        except (OSError, EOFError, ValueError):
            return  # the caller has gone, as callers do
        finally:
            self._gone(writer.transport)
            writer.close()


def _written(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} x", *(f"{name}: {value}" for name, value in reply.headers)]
    if reply.status not in BODILESS:
        lines.append(f"content-length: {len(reply.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + reply.body


async def _read(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    else:
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= BODY_MAX:
            raise ValueError("more than anybody sends")
        body = await reader.readexactly(length)
    return Request(method, target, headers, body, head + body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = int((await reader.readline()).partition(b";")[0], 16)
        chunk = await reader.readexactly(size)
        await reader.readline()
        body += chunk
        if not size:
            return body
        if len(body) > BODY_MAX:
            raise ValueError("more than anybody sends")
