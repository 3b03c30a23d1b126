"""One event as a producer sent it, and how its fields are read with every problem named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import msgspec

from tocsin.domain.audience import (
    RecipientTerm,
    Term,
    encode_terms,
    read_terms_into,
    single_recipient,
)
from tocsin.domain.durations import parse_duration
from tocsin.domain.instants import parse_instant
from tocsin.domain.reading import DURATION_MAX_MS, Notes, Reader


class IncomingEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event, checked; nothing of the server's own is in it."""

    type: str
    id: str | None = None
    source: str | None = None
    subject: str | None = None
    time_ms: int | None = None
    data: bytes = b"{}"
    """A JSON text without duplicate names, in an event that is at most 64 deep."""
    audience: bytes | None = None
    """The call's terms, for `tocsin.domain.audience.decode_terms`; None: by the workflow's rule."""
    exclude: bytes | None = None
    recipient: str | None = None
    """The id when the call names exactly one recipient."""
    changes_profiles: bool = False
    """Whether a term of the audience carries profile fields."""
    actor: str | None = None
    tenant: str | None = None
    locale: str | None = None
    cancellation_key: str | None = None
    expires_in_ms: int | None = None
    send_ms: int | None = None
    """When to send it; None: now, or ``send_in_ms`` from now."""
    send_in_ms: int | None = None
    strict_recipients: bool = False
    trace: str | None = None
    """A W3C ``traceparent``; one that is malformed is left out, as the standard says."""

    def __repr__(self) -> str:
        return f"IncomingEvent({self.type})"


COMMON_FIELDS: Final = frozenset(
    {"id", "source", "subject", "time", "data", "actor", "tenant", "locale", "traceparent"}
)
SHORTHAND_FIELDS: Final = COMMON_FIELDS | {
    "type",
    "recipients",
    "to",
    "exclude",
    "cancellation_key",
    "expires_in",
    "strict_recipients",
    "send_at",
}
TRIGGER_FIELDS: Final = SHORTHAND_FIELDS - {"type"}
SAME_NAMES: Final[Mapping[str, str]] = {}
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")


def read_event(
    reader: Reader, type_: str, data: bytes, names: Mapping[str, str] = SAME_NAMES
) -> IncomingEvent:
    """
    Read all fields but type and data; what is wrong goes to the reader's notes.

    *names* maps our name of a field to the form's own where they differ.
    """

    def name(ours: str) -> str:
        return names.get(ours, ours)

    send_ms, send_in_ms = _read_send_at(reader)
    terms = _read_audience(reader, name("recipients"))
    exclude = reader.get("exclude")
    excluded = None
    if exclude is not None:
        excluded = encode_terms(read_terms_into(exclude, reader.at("exclude"), reader.notes))
    return IncomingEvent(
        type=type_,
        id=reader.text("id"),
        source=reader.text("source"),
        subject=reader.text("subject"),
        time_ms=_read_time(reader),
        data=data,
        audience=None if terms is None else encode_terms(terms),
        exclude=excluded,
        recipient=None if terms is None else single_recipient(terms),
        changes_profiles=any(map(_changes_profile, terms or ())),
        actor=reader.text("actor"),
        tenant=reader.key("tenant"),
        locale=reader.text("locale", characters_max=35),
        cancellation_key=reader.text(name("cancellation_key")),
        expires_in_ms=reader.duration_ms(name("expires_in")),
        send_ms=send_ms,
        send_in_ms=send_in_ms,
        strict_recipients=bool(reader.flag("strict_recipients")),
        trace=good_trace(reader.text("traceparent", characters_max=128)),
    )


def _changes_profile(term: Term) -> bool:
    return isinstance(term, RecipientTerm) and term.changes_profile


def _read_audience(reader: Reader, name: str) -> tuple[Term, ...] | None:
    value, other = reader.get(name), reader.get("to")
    if value is not None and other is not None:
        reader.note("to", "contradiction", "to is another word for recipients; give one of them")
        return None
    if value is None:
        name, value = "to", other
    return None if value is None else read_terms_into(value, reader.at(name), reader.notes)


def _read_time(reader: Reader) -> int | None:
    text = reader.text("time", characters_max=40)
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError as refusal:
        reader.note("time", "invalid_time", str(refusal))
        return None


def _read_send_at(reader: Reader) -> tuple[int | None, int | None]:
    """Return (instant, length of time from now): one of both, or neither."""
    text = reader.text("send_at", characters_max=40)
    if text is None:
        return None, None
    try:
        return parse_instant(text), None
    except ValueError:
        with suppress(ValueError):
            in_ms = parse_duration(text)
            if in_ms <= DURATION_MAX_MS:
                return None, in_ms
    hint = "write an instant like 2026-03-29T18:30:00Z, or a length of time from now like 2h"
    reader.note("send_at", "invalid_time", hint)
    return None, None


def good_trace(text: str | None) -> str | None:
    """Return *text* when it is a ``traceparent`` (W3C Trace Context 3.2)."""
    return text if text is not None and _TRACEPARENT.match(text) else None


def read_shorthand(value: object, data: bytes, notes: Notes, pointer: str = "") -> IncomingEvent:
    """Read one event of the shorthand form."""
    reader = Reader(value, pointer, notes, SHORTHAND_FIELDS)
    if "specversion" in reader.fields:
        hint = "for a CloudEvent the Content-Type is application/cloudevents+json"
        reader.note("specversion", "wrong_media_type", hint)
    return read_event(reader, reader.text("type", required=True) or "", data)
