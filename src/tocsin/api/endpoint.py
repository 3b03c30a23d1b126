"""One route: what it takes, what it answers, and the call that its handler gets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from starlette.types import ASGIApp, Scope

from tocsin.app.callers import Principal
from tocsin.errors import NotFound

T = TypeVar("T")

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
ANY_TYPE: Final = "*/*"
"""A route whose caller says what it likes, or nothing: a provider's callback."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler returns; ``body`` is encoded as JSON unless it is bytes already."""

    body: object = None
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: str = JSON

    def encoded(self) -> bytes:
        """Return the bytes of the body."""
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        # The newline is for whoever reads the answer in a terminal.
        return msgspec.json.encode(self.body) + b"\n"


@dataclass(slots=True)
class Call:
    """One request, checked: who sends it, about what, with which body."""

    principal: Principal | None
    path: Mapping[str, str]
    headers: Mapping[str, str]
    request_id: str
    content_type: str = ""
    query_value: object = None
    query_text: str = ""
    """The query as it came, for a route that takes any."""
    body_value: object = None
    raw: bytes = b""
    chunks: AsyncIterator[bytes] | None = None
    """The body of a route that reads it as a stream."""
    of_head: bool = False
    """Whether it is a HEAD, which asks what a GET would be answered and does nothing."""

    @property
    def by(self) -> Principal:
        """Who calls; only a public route has nobody."""
        assert self.principal is not None
        return self.principal

    def query(self, kind: type[T]) -> T:
        """Return the query's parameters, of the type that the endpoint declares."""
        assert isinstance(self.query_value, kind)
        return self.query_value

    def body(self, kind: type[T]) -> T:
        """Return the body, of the type that the endpoint declares."""
        assert isinstance(self.body_value, kind)
        return self.body_value

    def recipient(self) -> str:
        """
        Return the recipient's id of the path, which a recipient's own token must match.

        Somebody else's is not found, whether it exists or not.
        """
        id = self.path["id"]
        if self.by.recipient is not None and self.by.recipient_id != id:
            raise NotFound("there is no such recipient")
        return id


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route, with all that the server and the OpenAPI document need to know of it."""

    method: str
    path: str
    summary: str
    handler: Handler | None
    answers: Mapping[int, Any]
    """The type of the body for each status of success; None for no body, bytes for text."""
    body: Any = None
    body_types: tuple[str, ...] = (JSON,)
    body_raw: bool = False
    """The handler reads the bytes itself; ``body`` only documents them."""
    body_optional: bool = False
    streams: bool = False
    patient: bool = False
    """It may take as long as it takes, however long other requests may."""
    quiet: bool = False
    """Somebody asks it over and over, so it is logged only when it fails inside."""
    query: type[msgspec.Struct] | None = None
    query_raw: bool = False
    """The handler reads the query itself, whatever it holds."""
    secret_answer: bool = False
    """The answer holds a secret, so what is kept of it for a repeat is sealed."""
    answer_type: str = JSON
    asgi: ASGIApp | None = None
    """
    Instead of a handler: a plain ASGI application, for routes that must cost little.

    It finds the caller with `caller_of`, reads and answers by itself, and what it raises becomes a
    problem. What its path names it reads from there itself.
    """
    proves_itself: bool = False
    """Its caller has no key and proves itself otherwise, so it may be refused as not known."""


def caller_of(scope: Scope) -> Principal:
    """Return who calls a plain ASGI endpoint; the front has checked what that reaches."""
    caller = scope["tocsin.caller"]
    assert isinstance(caller, Principal)
    return caller
