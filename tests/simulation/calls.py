"""Requests to the real HTTP application, without a network."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from starlette.types import ASGIApp, Message


class Reply(NamedTuple):
    """What the server answered."""

    status: int
    body: Any


async def request(
    app: ASGIApp,
    method: str,
    path: str,
    body: object = None,
    *,
    key: str | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Reply:
    """Send one request to an application that answers with JSON."""
    raw = b"" if body is None else msgspec.json.encode(body)
    lines = [(b"content-type", b"application/json")]
    lines += [(name.encode(), value.encode()) for name, value in headers.items()]
    if key is not None:
        lines.append((b"idempotency-key", key.encode()))
    status, said = await _exchange(app, method, path, raw, lines)
    return Reply(status, msgspec.json.decode(said) if said else None)


async def text(app: ASGIApp, path: str) -> str:
    """Return what a resource says that is no JSON."""
    _, said = await _exchange(app, "GET", path, b"", [])
    return said.decode()


async def _exchange(
    app: ASGIApp, method: str, path: str, raw: bytes, lines: list[tuple[bytes, bytes]]
) -> tuple[int, bytes]:
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": lines,
        "client": ("192.0.2.1", 1),
    }
    status = 0
    parts: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, b"".join(parts)
