"""Profile fields that events carry along: what cannot be right, and what the caller may not do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tocsin.app.addresses import AddressBook, normal_email, normal_phone
from tocsin.app.profile import check_timezone, normal_locale
from tocsin.domain.audience import RecipientTerm, decode_terms
from tocsin.domain.cloudevents import IncomingEvent
from tocsin.domain.recipient import Recipient
from tocsin.errors import FieldProblem, RequestRefused
from tocsin.ports.state import Recipients

_CHECKS: Final[Mapping[str, Callable[[str], object]]] = {
    "email": normal_email,
    "phone": normal_phone,
    "locale": normal_locale,
    "timezone": check_timezone,
}
_CHANNELS: Final = {"email": "email", "phone": "sms"}
_MAY_NOT: Final = "changing an address that exists needs the scope recipients:write"

Problems = tuple[FieldProblem, ...]


class InlineFields:
    """
    Refuses, before anything is written, what route would have to leave out without a word.

    What was accepted and not yet routed is not seen here: of two calls that race to give somebody
    a first address the earlier one in the log counts, and route leaves the address of the other
    out.
    """

    def __init__(self, recipients: Recipients, book: AddressBook) -> None:
        self._recipients = recipients
        self._book = book

    async def problems(
        self, events: Sequence[IncomingEvent], *, may_change_addresses: bool
    ) -> list[Problems]:
        """
        Return what is wrong with each of *events*, all of which carry profile fields.

        One bulk look-up, and none for a caller who may change addresses.
        """
        terms = [_carrying(event) for event in events]
        found = [tuple(_unreadable(each)) for each in terms]
        if may_change_addresses:
            return found
        wanted = {term.id for each in terms for _, term in each if term.email or term.phone}
        profiles = await self._recipients.by_id(list(wanted)) if wanted else {}
        standing = _Standing(profiles, self._book)
        return [
            problems or tuple(standing.refused(each))
            for each, problems in zip(terms, found, strict=True)
        ]


class _Standing:
    """The first address of each (recipient, channel), and those that a call is about to give."""

    def __init__(self, profiles: Mapping[str, Recipient], book: AddressBook) -> None:
        self._book = book
        self._digests: dict[tuple[str, str], bytes] = {}
        for id, profile in profiles.items():
            for address in profile.addresses:
                self._digests.setdefault((id, address.channel), address.digest)

    def refused(self, terms: Sequence[tuple[int, RecipientTerm]]) -> Sequence[FieldProblem]:
        """Return what of *terms* changes an address; when nothing does, they count from now on."""
        problems: list[FieldProblem] = []
        given: dict[tuple[str, str], bytes] = {}
        for place, term in terms:
            for name, channel in _CHANNELS.items():
                value = getattr(term, name)
                if not value:
                    continue
                digest = self._book.digest(channel, str(_CHECKS[name](value)))
                stands = self._digests.get((term.id, channel))
                if stands not in (None, digest):
                    problems.append(_problem(place, name, "forbidden", _MAY_NOT))
                given.setdefault((term.id, channel), digest)
        if not problems:
            self._digests = {**given, **self._digests}
        return problems


def _carrying(event: IncomingEvent) -> list[tuple[int, RecipientTerm]]:
    """Return (place, term) of those terms of the call that carry profile fields."""
    terms = enumerate(decode_terms(event.audience or b"[]"))
    return [
        (place, term)
        for place, term in terms
        if isinstance(term, RecipientTerm) and term.changes_profile
    ]


def _unreadable(terms: Sequence[tuple[int, RecipientTerm]]) -> list[FieldProblem]:
    problems = []
    for place, term in terms:
        for name, check in _CHECKS.items():
            value = getattr(term, name)
            if not value:
                continue
            try:
                check(value)
            except RequestRefused as refused:
                problems.append(_problem(place, name, refused.code, refused.detail))
    return problems


def _problem(place: int, name: str, code: str, detail: str) -> FieldProblem:
    return FieldProblem(f"/recipients/{place}/{name}", code, detail)
