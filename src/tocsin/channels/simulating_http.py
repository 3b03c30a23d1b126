"""What simulators of vendors with an HTTP API share: requests read, answers written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from tocsin.channels.simulating import Simulating
from tocsin.ports.simulator import Stage

_BODY_MAX: Final = 64 * 1_024 * 1_024


@dataclass(frozen=True, slots=True)
class Request:
    """A request that arrived whole; names of headers in lower case, ``raw`` as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes

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


class HttpSimulating(Simulating):
    """`Simulating` for HTTP: a folder's simulator adds `_reply`, and calls `_listen_for_http`."""

    async def _reply(self, request: Request) -> Reply | None:
        """
        Answer *request*; None closes the connection instead.

        For a call that sends messages: `_arrived`, then for each message `_deal` and `_keep`, then
        `_wait`; None where the deal is lost.
        """
        raise NotImplementedError

    async def _listen_for_http(self, stage: Stage | None) -> int:
        """Listen; returns the port."""
        return await self._open(stage, self._streams(self._serve))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connected(writer.transport)
        try:
            while (reply := await self._reply(await _read(reader))) is not None:
                writer.write(_written(reply))
                await writer.drain()
        except (OSError, EOFError, ValueError):
            return  # the caller has gone, as callers do
        finally:
            self._gone(writer.transport)
            writer.close()


def _written(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} x", *(f"{name}: {value}" for name, value in reply.headers)]
    if reply.status != 204:
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
        if not 0 <= length <= _BODY_MAX:
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
        if len(body) > _BODY_MAX:
            raise ValueError("more than anybody sends")
