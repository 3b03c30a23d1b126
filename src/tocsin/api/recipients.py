"""Recipients and their import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from tocsin.api.addresses import AddressAnswer, sees_addresses, show_address
from tocsin.api.endpoint import JSON, MERGE_PATCH, Answer, Call, Endpoint
from tocsin.api.shared import PageQuery, RecipientId, cursor_of, has_version, shown_time
from tocsin.app.callers import Principal
from tocsin.app.importing import Importing, ImportResult
from tocsin.app.people import People
from tocsin.app.profile import ProfileInput
from tocsin.domain.recipient import Recipient

NDJSON = "application/x-ndjson"
CSV = "text/csv"


class RecipientAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A recipient; addresses are masked for who may only read."""

    id: str
    name: str | None
    email: str | None
    phone: str | None
    locale: str | None
    timezone: str | None
    attributes: dict[str, Any] | Raw
    addresses: list[AddressAnswer]
    version: int
    updated_at: str | None


class RecipientPage(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Recipients, ordered by id; ``next`` is the cursor of the next page."""

    items: list[RecipientAnswer]
    next: str | UnsetType = UNSET


class RecipientsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page, of all or of those whose id begins with ``prefix``."""

    prefix: RecipientId | None = None


class RecipientRoutes:
    """Handlers of ``/v1/recipients``."""

    def __init__(self, people: People, importing: Importing) -> None:
        self._people = people
        self._importing = importing

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        one = "/v1/recipients/{id}"
        found: Mapping[int, Any] = {200: RecipientAnswer}
        return (
            Endpoint(
                "GET",
                "/v1/recipients",
                "List recipients",
                self.page,
                {200: RecipientPage},
                query=RecipientsQuery,
            ),
            Endpoint(
                "POST",
                "/v1/recipients/import",
                "Import recipients by stream",
                self.load,
                {200: ImportResult},
                body=bytes,
                body_types=(NDJSON, CSV),
                streams=True,
            ),
            Endpoint("GET", one, "Get a recipient", self.get, {**found, 304: None}),
            Endpoint(
                "PUT",
                one,
                "Create or replace a profile",
                self.put,
                {**found, 201: RecipientAnswer},
                body=ProfileInput,
            ),
            Endpoint(
                "PATCH",
                one,
                "Change fields of a profile",
                self.patch,
                found,
                body=ProfileInput,
                body_types=(JSON, MERGE_PATCH),
            ),
        )

    async def page(self, call: Call) -> Answer:
        """Answer one page."""
        query = call.query(RecipientsQuery)
        found = await self._found(query.prefix, query.after(), query.limit)
        items = [self._show(call.by, one) for one in found if not one.erased]
        more = cursor_of(found[-1].id) if len(found) == query.limit else UNSET
        return Answer(RecipientPage(items=items, next=more))

    async def get(self, call: Call) -> Answer:
        """Answer one, or 304 when the caller has this version."""
        one = await self._people.get(call.recipient())
        tag = etag_of(one, call.by)
        if has_version(call.headers.get("if-none-match"), tag.decode()):
            return Answer(status=304, headers=((b"etag", tag),))
        return Answer(self._show(call.by, one), headers=((b"etag", tag),))

    async def put(self, call: Call) -> Answer:
        """Create or replace."""
        one, new = await self._people.replace(call.by, call.recipient(), call.body(ProfileInput))
        return Answer(self._show(call.by, one), status=201 if new else 200)

    async def patch(self, call: Call) -> Answer:
        """Change what the body holds."""
        one = await self._people.amend(call.by, call.recipient(), call.body(ProfileInput))
        return Answer(self._show(call.by, one))

    async def load(self, call: Call) -> Answer:
        """Import what streams in."""
        assert call.chunks is not None
        read = self._importing.from_csv if call.content_type == CSV else self._importing.from_ndjson
        return Answer(await read(call.by, call.chunks))

    async def _found(
        self, prefix: str | None, after: str | None, limit: int
    ) -> Sequence[Recipient]:
        if prefix is None:
            return await self._people.page(after, limit)
        return await self._people.beginning_with(prefix, after, limit)

    def _show(self, by: Principal, one: Recipient) -> RecipientAnswer:
        addresses = [show_address(self._people.book, by, one, address) for address in one.addresses]
        return RecipientAnswer(
            id=one.id,
            name=one.name,
            email=next((a.address for a in addresses if a.channel == "email"), None),
            phone=next((a.address for a in addresses if a.channel == "sms"), None),
            locale=one.locale,
            timezone=one.timezone,
            attributes=Raw(one.attributes) if one.attributes else {},
            addresses=addresses,
            version=one.version,
            updated_at=shown_time(one.changed_ms),
        )


def etag_of(one: Recipient, by: Principal) -> bytes:
    """Return the tag of what *by* sees of this version: who sees less has another document."""
    seen = "full" if sees_addresses(by) else "masked"
    return f'"{one.number:x}-{one.version:x}-{seen}"'.encode()
