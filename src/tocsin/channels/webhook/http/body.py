"""
What a receiver reads: the body of a webhook.

It follows from the delivery alone, so every attempt has the same one, byte by byte.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from tocsin.domain.instants import show_instant
from tocsin.ports.message import About, Message

TYPE: Final = "notification"

_encoder: Final = msgspec.json.Encoder()


class EventPart(msgspec.Struct, frozen=True, kw_only=True):
    """The event that it goes back to; ``id`` is Tocsin's, ``source_id`` the producer's."""

    id: str
    source_id: str
    source: str
    type: str


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The notification; ``data`` is what the event carried."""

    id: str
    delivery: str
    workflow: str
    event: EventPart
    recipient: str
    title: str
    body: str
    data: Raw
    url: str | None = None
    image: str | None = None
    category: str | None = None
    tenant: str | None = None
    actor: str | None = None


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """The payload's outermost parts, as Standard Webhooks advises them."""

    type: str
    timestamp: str
    data: Data


def body_of(message: Message) -> bytes:
    """Return the body of *message* as JSON."""
    about = message.about or _NOTHING
    content = message.content
    data = Data(
        id=about.notification,
        delivery=message.reference,
        workflow=about.workflow,
        event=EventPart(
            id=about.event, source_id=about.event_id, source=about.source, type=about.event_type
        ),
        recipient=about.recipient,
        title=content.title,
        body=content.body,
        data=Raw(about.data),
        url=content.fields.get("url"),
        image=content.fields.get("image"),
        category=message.category,
        tenant=about.tenant,
        actor=about.actor,
    )
    return _encoder.encode(Body(type=TYPE, timestamp=show_instant(about.accepted_ms), data=data))


_NOTHING: Final = About(
    notification="",
    event="",
    event_id="",
    event_type="",
    source="",
    workflow="",
    recipient="",
    accepted_ms=0,
)
