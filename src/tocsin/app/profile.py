"""
Changes to a recipient's document, as functions from one version to the next.

The API, the import and the inline fields of an event all change recipients with these, so the
rules of what a name or a time zone may be stand here once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType
from msgspec.structs import replace

from tocsin.app.addresses import (
    AddressBook,
    normal_email,
    normal_phone,
    normalise,
)
from tocsin.app.texts import Line64, Line128, Line256, Line4096
from tocsin.domain.instants import parse_instant
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.quiet_hours import known_zone
from tocsin.domain.reading import bad_characters
from tocsin.domain.recipient import (
    ADDRESSES_MAX,
    ATTRIBUTES_BYTES_MAX,
    RECIPIENT_ID_CHARACTERS_MAX,
    Address,
    Recipient,
)
from tocsin.domain.webhook_signing import check_secrets
from tocsin.errors import Conflict, FieldProblem, RequestRefused

T = TypeVar("T")

_ADDRESS_NUMBER_MAX: Final = 65_535
_LOCALE: Final = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}\Z", re.ASCII)


class AddressInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place where a recipient can be reached."""

    channel: Line64
    address: Line4096
    provider: Line64 | None = None
    app: Line128 | None = None
    secret: Line256 | None = None
    verified_at: Line64 | None = None
    timezone: Line64 | None = None

    def __repr__(self) -> str:
        return f"AddressInput({self.channel})"


class ProfileInput(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The fields of a profile; what is absent is left alone by PATCH and cleared by PUT."""

    name: Line256 | UnsetType | None = UNSET
    email: Annotated[str, Meta(max_length=320)] | UnsetType | None = UNSET
    phone: Line64 | UnsetType | None = UNSET
    locale: Line64 | UnsetType | None = UNSET
    timezone: Line64 | UnsetType | None = UNSET
    attributes: Raw | UnsetType = UNSET

    def __repr__(self) -> str:
        return "ProfileInput(…)"


CLEARED: Final = ProfileInput(name=None, email=None, phone=None, locale=None, timezone=None)


class Problems:
    """Collects what is wrong with several fields, so that one answer names all of it."""

    def __init__(self) -> None:
        self._found: list[FieldProblem] = []

    def check(self, pointer: str, read: Callable[[], T]) -> T | None:
        """Return what *read* returns, or keep what it refuses."""
        try:
            return read()
        except RequestRefused as refused:
            self._found.append(FieldProblem(pointer, refused.code, refused.detail))
            return None

    def raise_any(self) -> None:
        """Raise one `RequestRefused` with everything that was found."""
        if self._found:
            detail = "a field is wrong, see errors"
            raise RequestRefused(detail, errors=tuple(self._found))


def check_id(id: str) -> str:
    """Return *id* if a recipient may be named so; raises `RequestRefused`."""
    if not 0 < len(id) <= RECIPIENT_ID_CHARACTERS_MAX or bad_characters(id):
        raise RequestRefused(
            f"a recipient's id has 1 to {RECIPIENT_ID_CHARACTERS_MAX} characters, none a control character",
            code="invalid_recipient_id",
        )
    return id


def new_recipient(id: str) -> Recipient:
    """Return a recipient that is nothing but its id, to be stored for the first time."""
    return Recipient(number=0, id=id, version=0)


def with_profile(before: Recipient, change: ProfileInput, book: AddressBook) -> Recipient:
    """Return *before* with the fields that *change* holds; raises with every problem."""
    problems = Problems()
    after = before
    if change.email is not UNSET:
        after = (
            problems.check("/email", lambda: _shorthand(after, "email", change.email, book))
            or after
        )
    if change.phone is not UNSET:
        after = (
            problems.check("/phone", lambda: _shorthand(after, "sms", change.phone, book)) or after
        )
    locale = problems.check("/locale", lambda: _kept(change.locale, before.locale, normal_locale))
    zone = problems.check(
        "/timezone", lambda: _kept(change.timezone, before.timezone, check_timezone)
    )
    attributes = problems.check("/attributes", lambda: _attributes(change, before))
    problems.raise_any()
    return replace(
        after,
        name=before.name if change.name is UNSET else change.name,
        locale=locale,
        timezone=zone,
        attributes=attributes,
    )


def cleared(change: ProfileInput) -> ProfileInput:
    """Return *change* with everything that is absent set to nothing, as PUT means it."""
    given = {
        name: value
        for name in change.__struct_fields__
        if (value := getattr(change, name)) is not UNSET
    }
    return replace(CLEARED, **{"attributes": Raw(b"null"), **given})


def with_address(
    before: Recipient,
    given: AddressInput,
    book: AddressBook,
    fresh_secret: str | None = None,
    now_ms: int = 0,
) -> tuple[Recipient, Address]:
    """
    Return *before* with one more address; the same one again replaces what is said of it.

    A secret is kept until another is given. *fresh_secret* is for a webhook that has none at all.
    """
    problems = Problems()
    value = problems.check(
        "/address", lambda: normalise(given.channel, given.provider, given.address)
    )
    zone = problems.check("/timezone", lambda: check_timezone(given.timezone))
    verified_ms = problems.check("/verified_at", lambda: read_instant(given.verified_at))
    problems.check("/secret", lambda: _check_secret(given))
    problems.raise_any()
    assert value is not None
    same = _find(before, given.channel, book.digest(given.channel, value), given.app)
    known = None if same is None else book.open_secret(before, same)
    secret = given.secret or known or (fresh_secret if given.channel == "webhook" else None)
    if same is not None and known == secret and _says_the_same(same, given, zone, verified_ms):
        return before, same
    made = before.addresses_made if same else _next_number(before)
    address = book.make(
        before.id,
        same.number if same else made,
        given.channel,
        value,
        provider=given.provider,
        app=given.app,
        secret=secret,
        verified_ms=verified_ms,
        timezone=zone,
        registered_ms=now_ms,
    )
    if same is not None:
        kept = tuple(address if a.number == same.number else a for a in before.addresses)
    else:
        kept = (*before.addresses, address)
    return replace(before, addresses=kept, addresses_made=made), address


def without_address(before: Recipient, number: int) -> Recipient | None:
    """Return *before* without that address; None when it has none of that number."""
    kept = tuple(address for address in before.addresses if address.number != number)
    return None if len(kept) == len(before.addresses) else replace(before, addresses=kept)


def normal_locale(value: str) -> str:
    """Return a language tag (BCP 47) with hyphens; raises `RequestRefused`."""
    if _LOCALE.match(value) is None:
        raise RequestRefused(
            "is not a language tag, for example en or pt-BR", code="invalid_locale"
        )
    return value.replace("_", "-")


def check_timezone(value: str | None) -> str | None:
    """Return *value* if it names a zone of the tz database; raises `RequestRefused`."""
    if value is not None and not known_zone(value):
        raise RequestRefused(
            "is not a time zone, for example Europe/Madrid", code="invalid_timezone"
        )
    return value


def read_instant(value: str | None) -> int | None:
    """Return the milliseconds of an RFC 3339 time; raises `RequestRefused`."""
    if value is None:
        return None
    try:
        return parse_instant(value)
    except (ValueError, OverflowError):
        raise RequestRefused(
            "is not a time with an offset, for example 2030-01-31T12:00:00Z", code="invalid_time"
        ) from None


def _shorthand(
    before: Recipient, channel: str, value: str | UnsetType | None, book: AddressBook
) -> Recipient:
    """`email` and `phone` stand for the first address of their channel."""
    first = next((a for a in before.addresses if a.channel == channel), None)
    if not isinstance(value, str):
        return before if first is None else (without_address(before, first.number) or before)
    normal = normal_email(value) if channel == "email" else normal_phone(value)
    if first is not None and first.digest == book.digest(channel, normal):
        return before
    number = _next_number(before, replacing=first)
    address = book.make(before.id, number, channel, normal)
    if first is None:
        kept: tuple[Address, ...] = (*before.addresses, address)
    else:
        # Takes the place in the list, so that it stays the first, and not the number.
        kept = tuple(address if a is first else a for a in before.addresses)
    return replace(before, addresses=kept, addresses_made=number)


def _next_number(before: Recipient, replacing: Address | None = None) -> int:
    if replacing is None and len(before.addresses) >= ADDRESSES_MAX:
        raise Conflict(f"a recipient has at most {ADDRESSES_MAX} addresses", code="too_many")
    highest = max((address.number for address in before.addresses), default=0)
    number = max(before.addresses_made, highest) + 1
    if number > _ADDRESS_NUMBER_MAX:
        raise Conflict("this recipient's addresses changed too often", code="too_many")
    return number


def _find(before: Recipient, channel: str, digest: bytes, app: str | None) -> Address | None:
    for address in before.addresses:
        if address.channel == channel and address.digest == digest and address.app == app:
            return address
    return None


def _says_the_same(
    known: Address, given: AddressInput, zone: str | None, verified_ms: int | None
) -> bool:
    """What died or was disabled is told of again when it lives again, so that it is made anew."""
    plain = (known.provider, known.timezone, known.verified_ms, known.dead_ms, known.disabled_ms)
    return plain == (given.provider, zone, verified_ms, None, None)


def _check_secret(given: AddressInput) -> None:
    if given.secret is None:
        return
    if given.channel != "webhook":
        raise RequestRefused("only a webhook has a secret", code="not_allowed")
    check_secrets(given.secret)


def _kept(
    value: str | UnsetType | None, before: str | None, check: Callable[[str], str | None]
) -> str | None:
    if value is UNSET:
        return before
    return None if value is None else check(value)


def _attributes(change: ProfileInput, before: Recipient) -> bytes | None:
    if change.attributes is UNSET:
        return before.attributes
    raw = bytes(change.attributes)
    if raw == b"null":
        return None
    if len(raw) > ATTRIBUTES_BYTES_MAX:
        raise RequestRefused(f"may have {ATTRIBUTES_BYTES_MAX} bytes", code="too_large")
    try:
        # Kept as it came; read once here, so that what lies in the store can be read later.
        value = msgspec.json.decode(raw)
    except UNREADABLE:
        value = None
    if not isinstance(value, dict):
        raise RequestRefused("must be a JSON object", code="wrong_type")
    return raw
