"""The suppression list."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import PageQuery, RecipientId, cursor_of, shown_time
from tocsin.app.suppressing import SuppressionList
from tocsin.app.texts import Line64, Line256, Line4096
from tocsin.ports.state import Suppression


class SuppressionInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Either a recipient, on one channel or on all, or an address of a channel."""

    recipient: RecipientId | None = None
    channel: Line64 | None = None
    address: Line4096 | None = None
    provider: Line64 | None = None
    reason: Line256 = "manual"

    def __repr__(self) -> str:
        return "SuppressionInput(…)"


class SuppressionAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One entry; of an address only a hint is shown."""

    id: str
    recipient: str | None
    channel: str | None
    address: str | None
    reason: str
    source: str
    at: str | None


class SuppressionPage(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Entries ordered by id; ``next`` is the cursor of the next page."""

    items: list[SuppressionAnswer]
    next: str | UnsetType = UNSET


class SuppressionRoutes:
    """Handlers of ``/v1/suppressions``."""

    def __init__(self, suppressions: SuppressionList) -> None:
        self._suppressions = suppressions

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        path = "/v1/suppressions"
        return (
            Endpoint(
                "GET", path, "List suppressions", self.list, {200: SuppressionPage}, query=PageQuery
            ),
            Endpoint(
                "POST",
                path,
                "Suppress a recipient or an address",
                self.add,
                {201: SuppressionAnswer},
                body=SuppressionInput,
            ),
            Endpoint(
                "DELETE", path + "/{id}", "Take off the suppression list", self.remove, {204: None}
            ),
        )

    async def list(self, call: Call) -> Answer:
        """Answer one page."""
        query = call.query(PageQuery)
        found = await self._suppressions.page(query.after(), query.limit)
        more = cursor_of(found[-1][0].id) if len(found) == query.limit else UNSET
        items = [_show(entry, recipient) for entry, recipient in found]
        return Answer(SuppressionPage(items=items, next=more))

    async def add(self, call: Call) -> Answer:
        """Add one."""
        given = call.body(SuppressionInput)
        entry, recipient = await self._suppressions.add(
            call.by,
            recipient=given.recipient,
            channel=given.channel,
            address=given.address,
            provider=given.provider,
            reason=given.reason,
        )
        return Answer(_show(entry, recipient), status=201)

    async def remove(self, call: Call) -> Answer:
        """Take one off."""
        await self._suppressions.remove(call.by, call.path["id"])
        return Answer(status=204)


def _show(entry: Suppression, recipient: str | None) -> SuppressionAnswer:
    return SuppressionAnswer(
        id=entry.id,
        recipient=recipient,
        channel=entry.channel,
        address=entry.hint or None,
        reason=entry.reason,
        source=entry.source,
        at=shown_time(entry.at_ms),
    )
