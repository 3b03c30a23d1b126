"""What a person has chosen, and the consents that she gave or withdrew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from tocsin.api.endpoint import JSON, MERGE_PATCH, Answer, Call, Endpoint
from tocsin.api.shared import Document, Key, has_version, shown_time
from tocsin.app.catalogue import Catalogue
from tocsin.app.people import People
from tocsin.app.suppressing import CHANNELS
from tocsin.app.texts import Line64, Line256
from tocsin.domain.preferences import Consent
from tocsin.domain.preferences_read import show_preferences
from tocsin.domain.recipient import Recipient
from tocsin.errors import FieldProblem, RequestRefused


class ConsentInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Given or withdrawn, where, and in which words."""

    channel: Line64
    given: bool
    source: Line256
    category: Key | None = None
    wording: Annotated[str, Meta(max_length=4_096)] | None = None


class ConsentAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One entry of the list of consents."""

    channel: str
    category: str | None
    given: bool
    source: str
    wording: str | None
    at: str | None


class ConsentList(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All consents, oldest first; the newest for a place counts there."""

    items: list[ConsentAnswer]


class CategoryChoices(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A category of the catalogue; ``channels`` is what holds for who has said nothing."""

    key: str
    name: str
    channels: dict[str, bool]


class OwnPreferences(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Who asks, by which channels she can be reached, and what she can choose and has chosen."""

    recipient: str
    channels: list[str]
    categories: list[CategoryChoices]
    preferences: Document


class PreferenceRoutes:
    """Handlers of ``/v1/preferences``, ``…/preferences`` and ``…/consents``."""

    def __init__(self, people: People, catalogue: Catalogue, channels: Sequence[str]) -> None:
        self._people = people
        self._catalogue = catalogue
        self._channels = channels

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        choices = "/v1/recipients/{id}/preferences"
        consents = "/v1/recipients/{id}/consents"
        found = {200: Document}
        return (
            Endpoint(
                "GET",
                "/v1/preferences",
                "Get what the token's recipient can choose, and has chosen",
                self.own,
                {200: OwnPreferences},
            ),
            Endpoint("GET", choices, "Get preferences", self.get, {**found, 304: None}),
            Endpoint("PUT", choices, "Replace preferences", self.put, found, body=Document),
            Endpoint(
                "PATCH",
                choices,
                "Change preferences",
                self.patch,
                found,
                body=Document,
                body_types=(JSON, MERGE_PATCH),
            ),
            Endpoint("GET", consents, "List consents", self.list_consents, {200: ConsentList}),
            Endpoint(
                "POST",
                consents,
                "Record a consent",
                self.add_consent,
                {201: ConsentAnswer},
                body=ConsentInput,
            ),
        )

    async def own(self, call: Call) -> Answer:
        """Answer all that a page of somebody's preferences shows."""
        assert call.by.recipient_id is not None
        one = await self._people.get(call.by.recipient_id)
        categories = [
            CategoryChoices(key=each.key, name=each.name or each.key, channels=dict(each.channels))
            for each in await self._catalogue.categories()
        ]
        return Answer(
            OwnPreferences(
                recipient=one.id,
                channels=list(self._channels),
                categories=categories,
                preferences=show_preferences(one.preferences),
            )
        )

    async def get(self, call: Call) -> Answer:
        """Answer the document, or 304 when the caller has this version."""
        one = await self._people.get(call.recipient())
        tag = f'"{one.number:x}-{one.version:x}"'
        headers = ((b"etag", tag.encode()),)
        if has_version(call.headers.get("if-none-match"), tag):
            return Answer(status=304, headers=headers)
        return Answer(show_preferences(one.preferences), headers=headers)

    async def put(self, call: Call) -> Answer:
        """Replace."""
        one = await self._people.set_preferences(call.by, call.recipient(), call.body(dict))
        return _shown(one)

    async def patch(self, call: Call) -> Answer:
        """Lay over what is there."""
        one = await self._people.amend_preferences(call.by, call.recipient(), call.body(dict))
        return _shown(one)

    async def list_consents(self, call: Call) -> Answer:
        """Answer all consents."""
        one = await self._people.get(call.recipient())
        return Answer(ConsentList(items=[_show_consent(consent) for consent in one.consents]))

    async def add_consent(self, call: Call) -> Answer:
        """Append one."""
        given = call.body(ConsentInput)
        if given.channel not in CHANNELS:
            detail = f"must be one of {', '.join(CHANNELS)}"
            problem = FieldProblem("/channel", "not_allowed", detail)
            raise RequestRefused("a field is wrong, see errors", errors=(problem,))
        consent = Consent(
            channel=given.channel,
            category=given.category,
            given=given.given,
            source=given.source,
            wording=given.wording,
            at_ms=0,
        )
        one = await self._people.add_consent(call.by, call.recipient(), consent)
        return Answer(_show_consent(one.consents[-1]), status=201)


def _shown(one: Recipient) -> Answer:
    return Answer(show_preferences(one.preferences))


def _show_consent(consent: Consent) -> ConsentAnswer:
    return ConsentAnswer(
        channel=consent.channel,
        category=consent.category,
        given=consent.given,
        source=consent.source,
        wording=consent.wording,
        at=shown_time(consent.at_ms),
    )
