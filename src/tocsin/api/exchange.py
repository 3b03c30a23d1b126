"""One request and its answer on the wire, with the headers that every answer has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import Message, Send

from tocsin.api.body import Unread
from tocsin.api.endpoint import Answer
from tocsin.api.problems import PROBLEM_TYPE, encode_problem, problem_headers
from tocsin.errors import Stopping, TocsinError, TooLarge

Headers = list[tuple[bytes, bytes]]

_POLICY: Final = b"content-security-policy"

# Nothing of an answer is ever run, framed or guessed at by a browser.
_SAFE: Final[Headers] = [
    (_POLICY, b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-site"),
]
_BODILESS: Final = frozenset({204, 304})


class Exchange:
    """Sends what a handler answers or raises; knows afterwards what was sent."""

    __slots__ = ("_head", "_send", "headers", "request_id", "route", "started", "status", "who")

    def __init__(self, send: Send, method: str, request_id: str) -> None:
        self._send = send
        self._head = method == "HEAD"
        self.request_id = request_id
        self.headers: Headers = [(b"x-request-id", request_id.encode())]
        """More headers, to be set before the answer begins."""
        self.route = "unmatched"
        self.who = "nobody"
        self.status = 0
        self.started = False

    async def send(self, message: Message) -> None:
        """Pass a message on, with our headers, and without a body for HEAD."""
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            own: Headers = list(message.get("headers", ()))
            message = {**message, "headers": own + _added(own) + self.headers}
        elif self._head:
            message = {**message, "body": b""}
        await self._send(message)

    async def answer(self, answer: Answer) -> None:
        """Send *answer*."""
        body = answer.encoded()
        headers = list(answer.headers)
        if answer.status not in _BODILESS:
            headers.append((b"content-type", answer.content_type.encode()))
            headers.append((b"content-length", b"%d" % len(body)))
        await self._whole(answer.status, headers, body)

    async def refuse(
        self, error: TocsinError, rest: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """
        Send the problem document for *error*, unless an answer has begun already.

        *rest* is awaited before the connection ends, where part of a body was left unread.
        """
        if self.started:
            return
        body = encode_problem(error, self.request_id)
        headers = [
            (b"content-type", PROBLEM_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            *problem_headers(error),
        ]
        if isinstance(error, TooLarge | Stopping):
            # What is left of a body that is too large is thrown away, and who stops takes no more.
            headers.append((b"connection", b"close"))
        await self._whole(error.status, headers, body, rest if isinstance(error, Unread) else None)

    async def _whole(
        self,
        status: int,
        headers: Headers,
        body: bytes,
        rest: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        if rest is not None:
            await self.send({"type": "http.response.body", "body": body, "more_body": True})
            await rest()
            body = b""
        await self.send({"type": "http.response.body", "body": body})


def _added(own: Headers) -> Headers:
    """Return what an answer's *own* headers lack; a page has a policy of its own."""
    names = {name for name, _ in own}
    added = _SAFE if _POLICY not in names else [each for each in _SAFE if each[0] != _POLICY]
    if b"cache-control" in names:
        return added
    caching = (b"cache-control", b"private, no-cache" if b"etag" in names else b"no-store")
    return [*added, caching]
