"""Requests to the real HTTP application, without a network."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from starlette.types import ASGIApp, Message


class Reply(NamedTuple):
    """What the server answered."""

    status: int
    body: Any


async def request(
    app: ASGIApp, method: str, path: str, body: object = None, *, key: str | None = None
) -> Reply:
    """Send one request over the admin socket's application."""
    headers = [(b"content-type", b"application/json")]
    if key is not None:
        headers.append((b"idempotency-key", key.encode()))
    raw = b"" if body is None else msgspec.json.encode(body)
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
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
    text = b"".join(parts)
    return Reply(status, msgspec.json.decode(text) if text else None)
