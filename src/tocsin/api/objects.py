"""Who watches which object."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import Document, PageQuery, RecipientId, check_key, cursor_of, shown_time
from tocsin.app.groups import Objects
from tocsin.domain.audience import Subscription
from tocsin.domain.conditions import show_condition


class SubscriptionInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who, and under which condition on the event."""

    recipient: RecipientId
    when: Document | None = None


class UnsubscriptionInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who."""

    recipient: RecipientId


class SubscriptionAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One recipient's interest in the object."""

    recipient: str
    when: Document | None
    since: str | None


class SubscriptionPage(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Subscriptions; ``next`` is the cursor of the next page."""

    items: list[SubscriptionAnswer]
    next: str | UnsetType = UNSET


class ObjectRoutes:
    """Handlers of ``/v1/objects/{collection}/{id}/subscriptions``."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        path = "/v1/objects/{collection}/{id}/subscriptions"
        return (
            Endpoint(
                "GET",
                path,
                "List subscriptions",
                self.list,
                {200: SubscriptionPage},
                query=PageQuery,
            ),
            Endpoint(
                "PUT",
                path,
                "Subscribe a recipient",
                self.subscribe,
                {200: SubscriptionAnswer},
                body=SubscriptionInput,
            ),
            Endpoint(
                "DELETE",
                path,
                "End a subscription",
                self.unsubscribe,
                {204: None},
                body=UnsubscriptionInput,
            ),
        )

    async def list(self, call: Call) -> Answer:
        """Answer one page."""
        query = call.query(PageQuery)
        page = await self._objects.subscribers(
            *_object(call), after=query.after_number(), limit=query.limit
        )
        more = UNSET if page.last is None else cursor_of(page.last)
        items = [_show(one.id, subscription) for one, subscription in page.subscribers]
        return Answer(SubscriptionPage(items=items, next=more))

    async def subscribe(self, call: Call) -> Answer:
        """Create or replace."""
        given = call.body(SubscriptionInput)
        made = await self._objects.subscribe(call.by, *_object(call), given.recipient, given.when)
        return Answer(_show(given.recipient, made))

    async def unsubscribe(self, call: Call) -> Answer:
        """End it."""
        given = call.body(UnsubscriptionInput)
        await self._objects.unsubscribe(call.by, *_object(call), given.recipient)
        return Answer(status=204)


def _object(call: Call) -> tuple[str, str]:
    return check_key(call.path["collection"]), call.path["id"]


def _show(recipient: str, subscription: Subscription) -> SubscriptionAnswer:
    when = subscription.when
    return SubscriptionAnswer(
        recipient=recipient,
        when=None if when is None else show_condition(when),
        since=shown_time(subscription.from_ms),
    )
