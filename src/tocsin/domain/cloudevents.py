"""Reading events: CloudEvents 1.0 (structured, batch, binary) and Tocsin's shorthand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from tocsin.errors import FieldProblem


class IncomingEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event as a producer sent it, checked; nothing of the server's own is in it."""

    type: str
    id: str | None = None
    source: str | None = None
    subject: str | None = None
    time_ms: int | None = None
    data: bytes = b"{}"
    """A JSON text without duplicate keys, at most 64 deep."""
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
    strict_recipients: bool = False
    trace: str | None = None


Problems = tuple[FieldProblem, ...]


class Incoming(NamedTuple):
    """The events of one request in order: each an event, or what is wrong with it."""

    items: tuple[IncomingEvent | Problems, ...]
    many: bool
    """Whether the request held a list, even of one."""


class EventLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one request may hold."""

    event_bytes_max: int = 1_048_576
    events_max: int = 10_000


def read_events(
    content_type: str, headers: Mapping[str, str], body: bytes, limits: EventLimits
) -> Incoming:
    """
    Read a request to ``/v1/events`` in any of its forms; header names are lower-case.

    Raises `Malformed` for what cannot be parsed and `TooLarge` above a limit.
    """
    raise NotImplementedError


def read_trigger(body: bytes) -> IncomingEvent:
    """Read the body of a trigger call (no ``type``); raises `RequestRefused`."""
    raise NotImplementedError
