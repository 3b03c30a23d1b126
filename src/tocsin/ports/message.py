"""What a provider is given: a rendered message, and what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tocsin.domain.lanes import Lane


class Button(msgspec.Struct, frozen=True):
    """Something to press that leads to a URL, which is none that runs code."""

    label: str
    url: str


class Attachment(msgspec.Struct, frozen=True):
    """A file that goes along; ``content_id`` where a page shows it (``cid:``)."""

    name: str
    content_type: str
    data: bytes
    content_id: str | None = None

    def __repr__(self) -> str:
        return f"Attachment({self.content_type}, {len(self.data)} bytes)"


class Content(msgspec.Struct, frozen=True):
    """What a step says, as rendered text; which fields count is the channel's business."""

    title: str = ""
    body: str = ""
    fields: Mapping[str, str] = {}
    buttons: Sequence[Button] = ()
    attachments: Sequence[Attachment] = ()

    def __repr__(self) -> str:
        return f"Content({len(self.title)} + {len(self.body)} characters)"


class About(msgspec.Struct, frozen=True):
    """
    What a message is about, for vendors that pass it on to programs.

    ``data`` is the event's data as JSON text, with what the call gave for this recipient alone.
    """

    notification: str
    event: str
    event_id: str
    event_type: str
    source: str
    workflow: str
    recipient: str
    accepted_ms: int
    data: bytes = b"{}"
    tenant: str | None = None
    actor: str | None = None

    def __repr__(self) -> str:
        return f"About({self.notification})"


class Message(msgspec.Struct, frozen=True):
    """
    One message to hand over.

    ``reference`` is ours: the same for every attempt of a delivery, written before the call. A
    provider carries it along as the vendor's idempotency key, custom id or Message-ID, so that
    callbacks name it; it has at most 64 characters of ``a-z 0-9 _``. ``trace`` is the caller's
    ``traceparent`` (W3C Trace Context). ``secret`` is the address's own, for signing.
    """

    reference: str
    address: str
    content: Content
    secret: str | None = None
    app: str | None = None
    trace: str | None = None
    expires_ms: int | None = None
    supersedes: str | None = None
    """The ``provider_id`` of an earlier message to edit or replace, for providers that can."""
    category: str | None = None
    """What people switch on and off; the workflow's."""
    unsubscribe: str | None = None
    """
    The URL at which this recipient switches this category off on this channel, by one POST.

    It needs no login, so it is as secret as the address; None where nobody can switch it off.
    """
    about: About | None = None
    """None only where there is no event, as in a test."""
    lane: Lane = "transactional"
    options: Mapping[str, object] = {}
    """What the step says to this provider alone (its ``options.<provider>`` table), unchecked."""
    badge: int | None = None
    """How many items of the recipient's inbox are unseen, for channels that show such a number."""
    registered_ms: int | None = None
    """When the address was registered, or registered again."""
    acknowledge: bool = False
    """Whether the run waits until somebody acknowledges this: offer a way to."""
    attempt: int = 1
    """Which attempt this is, from 1: `tocsin.ports.receipts.Receipt` may name it."""
    locale: str | None = None
    """The recipient's language (BCP 47), where known: what a voice reads in."""

    def __repr__(self) -> str:
        return f"Message({self.reference})"
