"""A recipient's inbox over HTTP: two reads that are often answered from memory, and changes."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from tocsin.api.body import decode_query
from tocsin.api.endpoint import Answer, Call, Endpoint, caller_of
from tocsin.api.shared import has_version
from tocsin.app.callers import Principal
from tocsin.app.inbox import PAGE_MAX, Filter, InboxDesk, Reader, counts_json
from tocsin.app.inbox_versions import InboxVersions
from tocsin.domain.ids import read_notification
from tocsin.domain.inbox import ALL_STATE_NAMES
from tocsin.domain.items import ItemAction
from tocsin.errors import NotBuilt, NotFound, RateLimited
from tocsin.ports.cache import Limiter

_PAGE: Final = 20
_CHANGES: Final = frozenset({"seen", "read", "unread", "archive", "unarchive", "acknowledge"})

Status = Literal["unread", "read", "unseen", "seen", "archived"]
Cursor = Annotated[str, Meta(min_length=1, max_length=128)]


class InboxQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which items; ``page`` is what the answer before gave as ``next``."""

    status: Status | None = None
    category: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    page: Annotated[str, Meta(max_length=64)] | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = _PAGE


class InboxCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Items that are neither archived nor expired, at most 100 of each kind."""

    unseen: int
    unread: int
    more: bool = False
    """There are more than 100 of one kind."""


class InboxItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item; the times of what was done with it are there once it was done."""

    id: str
    workflow: str
    category: str
    title: str
    body: str
    created_at: str
    url: str | None = None
    image: str | None = None
    actor: str | None = None
    tenant: str | None = None
    actions: tuple[ItemAction, ...] = ()
    seen_at: str | None = None
    read_at: str | None = None
    archived_at: str | None = None
    acknowledged_at: str | None = None
    received_at: str | None = None


class InboxPage(msgspec.Struct, frozen=True, kw_only=True):
    """
    Items, newest first.

    ``cursor`` is where a socket goes on from. With a filter a page may be shorter than asked for,
    even empty, and yet have a ``next``.
    """

    items: list[InboxItem]
    counts: InboxCounts
    cursor: str
    next: str | None


class InboxChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The counts after a change."""

    counts: InboxCounts


class Everything(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Up to which cursor a change of everything holds; without one, up to now."""

    cursor: Cursor | None = None


class ReadRate(NamedTuple):
    """How often one recipient may read."""

    per_s: int
    burst: int


class Reading(NamedTuple):
    """The body of an answer, and when it changes by itself."""

    body: bytes
    until_ms: int | None


_Read = Callable[[Reader, bytes], Awaitable[Reading]]


class Polled:
    """One read that clients poll: 304 from memory while nothing has changed."""

    def __init__(
        self, read: _Read, versions: InboxVersions, limiter: Limiter, rate: ReadRate
    ) -> None:
        self._read = read
        self._versions = versions
        self._limiter = limiter
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request whose caller has been checked."""
        caller = caller_of(scope)
        self._take(caller)
        reader = reader_of(caller)
        query: bytes = scope["query_string"]
        what = _what(scope["path"], query)
        tag = self._versions.current(reader.number, what)
        if tag is not None and has_version(Headers(scope=scope).get("if-none-match"), tag):
            await _send(send, 304, tag, b"")
            return
        version = self._versions.begin(reader.number)
        body, until_ms = await self._read(reader, query)
        self._versions.holds_until(reader.number, version, until_ms)
        await _send(send, 200, self._versions.tag(version, what), body)

    def _take(self, caller: Principal) -> None:
        wait_s = self._limiter.take(
            f"requests:{caller.name}", 1, rate_per_s=self._rate.per_s, burst=self._rate.burst
        )
        if wait_s > 0:
            raise RateLimited("too many requests from this caller", retry_after_s=wait_s)


class InboxRoutes:
    """Routes of ``/v1/inbox``."""

    def __init__(
        self, inbox: InboxDesk, versions: InboxVersions, limiter: Limiter, rate: ReadRate
    ) -> None:
        self._inbox = inbox
        self._page_app = Polled(self._page, versions, limiter, rate)
        self._counts_app = Polled(self._counts, versions, limiter, rate)

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        changed = {200: InboxChanged}
        return (
            Endpoint(
                "GET",
                "/v1/inbox",
                "List items of the inbox",
                None,
                {200: InboxPage, 304: None},
                query=InboxQuery,
                asgi=self._page_app,
            ),
            Endpoint(
                "GET",
                "/v1/inbox/counts",
                "Count what is unseen and unread",
                None,
                {200: InboxCounts, 304: None},
                asgi=self._counts_app,
            ),
            Endpoint(
                "POST",
                "/v1/inbox/{change}",
                "Change every item: seen-all, read-all or archive-all",
                self._change_all,
                changed,
                body=Everything,
                body_optional=True,
            ),
            Endpoint(
                "POST",
                "/v1/inbox/{id}/{change}",
                "Change an item: seen, read, unread, archive, unarchive or acknowledge",
                self._change,
                changed,
            ),
        )

    async def _page(self, reader: Reader, raw: bytes) -> Reading:
        query = decode_query(raw, InboxQuery)
        assert isinstance(query, InboxQuery)
        wanted = Filter(status=query.status, category=query.category)
        page = await self._inbox.page(reader, wanted, after=query.page, limit=query.limit)
        following = b"null" if page.next is None else b'"%b"' % page.next.encode()
        body = b'{"items":[%b],"counts":%b,"cursor":"%b","next":%b}' % (
            b",".join(page.items),
            counts_json(page.counts).encode(),
            page.cursor.encode(),
            following,
        )
        return Reading(body, page.until_ms)

    async def _counts(self, reader: Reader, raw: bytes) -> Reading:
        decode_query(raw, None)
        counts = await self._inbox.counts(reader.number)
        return Reading(counts_json(counts).encode(), counts.next_expiry_ms)

    async def _change(self, call: Call) -> Answer:
        change = call.path["change"]
        if change == "snooze":
            raise NotBuilt("items cannot be snoozed in this version; archive or leave them")
        if change not in _CHANGES:
            raise NotFound("there is nothing at this address")
        reader = reader_of(call.by)
        if not await self._inbox.change(reader, change, [read_notification(call.path["id"])]):
            raise NotFound("there is no such item in this inbox")
        return await self._changed(reader)

    async def _change_all(self, call: Call) -> Answer:
        change = call.path["change"].removesuffix("-all")
        if f"{change}-all" != call.path["change"] or change not in ALL_STATE_NAMES:
            raise NotFound("there is nothing at this address")
        reader = reader_of(call.by)
        await self._inbox.change_all(reader, change, call.body(Everything).cursor)
        return await self._changed(reader)

    async def _changed(self, reader: Reader) -> Answer:
        counts = counts_json(await self._inbox.counts(reader.number))
        return Answer(b'{"counts":%b}' % counts.encode())


def reader_of(caller: Principal) -> Reader:
    """Return whose inbox a recipient's token reaches."""
    assert caller.recipient is not None
    assert caller.recipient_id is not None
    return Reader(caller.recipient, caller.recipient_id)


def _what(path: str, query: bytes) -> str:
    return hashlib.blake2b(path.encode() + b"?" + query, digest_size=9).hexdigest()


async def _send(send: Send, status: int, tag: str, body: bytes) -> None:
    headers = [(b"etag", tag.encode())]
    if status != 304:
        headers += [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
