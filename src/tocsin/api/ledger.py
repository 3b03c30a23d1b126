"""What happened: events, notifications and their deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import Key, PageQuery, RecipientId, cursor_of, given_time
from tocsin.api.shown_history import (
    EventAnswer,
    NotificationAnswer,
    NotificationDetail,
    show_detail,
    show_event_view,
    show_note,
)
from tocsin.app.history.ledger import Ledger, NotePage
from tocsin.domain.ids import read_event, read_notification
from tocsin.errors import RequestRefused
from tocsin.ports.system import Clock

_DAY_MS: Final = 86_400_000
_NOT_SERVED: Final = (
    "name a recipient, or an event, or a workflow with a state of failed, expired or pending"
)


class NotificationsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of recipient, event, and workflow with a state."""

    recipient: RecipientId | None = None
    event: Annotated[str, Meta(max_length=64)] | None = None
    workflow: Key | None = None
    state: Annotated[str, Meta(max_length=32)] | None = None
    since: Annotated[str, Meta(max_length=64)] | None = None


class NotificationPage(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Notifications; ``next`` is the cursor of the page after this one."""

    items: list[NotificationAnswer]
    next: str | None


class LedgerRoutes:
    """Handlers of ``/v1/events/{id}`` and ``/v1/notifications``."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        return (
            Endpoint("GET", "/v1/events/{id}", "Get an event", self.event, {200: EventAnswer}),
            Endpoint(
                "GET",
                "/v1/notifications",
                "List notifications of a recipient, an event, or a workflow's that failed or wait",
                self.notifications,
                {200: NotificationPage},
                query=NotificationsQuery,
            ),
            Endpoint(
                "GET",
                "/v1/notifications/{id}",
                "Get a notification with its deliveries, attempts and receipts",
                self.notification,
                {200: NotificationDetail},
            ),
        )

    async def event(self, call: Call) -> Answer:
        """Answer one event."""
        return Answer(show_event_view(await self._ledger.event(read_event(call.path["id"]))))

    async def notification(self, call: Call) -> Answer:
        """Answer one notification."""
        key = read_notification(call.path["id"])
        return Answer(show_detail(await self._ledger.notification(key)))

    async def notifications(self, call: Call) -> Answer:
        """Answer a page."""
        query = call.query(NotificationsQuery)
        page = await self._page(query)
        return Answer(
            NotificationPage(
                items=[show_note(each) for each in page.items],
                next=None if page.next is None else cursor_of(page.next),
            )
        )

    async def _page(self, query: NotificationsQuery) -> NotePage:
        named = [query.recipient, query.event, query.workflow]
        if sum(each is not None for each in named) != 1:
            raise RequestRefused(_NOT_SERVED, code="filter_not_served")
        if (query.workflow is None) != (query.state is None):
            raise RequestRefused(_NOT_SERVED, code="filter_not_served")
        after = _number(query.after())
        if query.recipient is not None:
            since_ms = given_time(query.since, "/since")
            page = await self._ledger.of_recipient(
                query.recipient, before_ms=after, limit=query.limit
            )
            return page if since_ms is None else page.since(since_ms)
        if query.event is not None:
            key = read_event(query.event)
            return await self._ledger.of_event(key, after=after or 0, limit=query.limit)
        assert query.workflow is not None
        assert query.state is not None
        now_ms = self._clock.now_ms()
        since_ms = given_time(query.since, "/since")
        return await self._ledger.of_workflow(
            query.workflow,
            query.state,
            since_ms=now_ms - _DAY_MS if since_ms is None else since_ms,
            before_ms=now_ms + 1 if after is None else after,
            limit=query.limit,
        )


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise RequestRefused("the cursor is not one that was given out here", code="invalid_cursor")
    return int(text)
