"""What SES publishes of a letter, and what each kind means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tocsin.channels.email.reporting.said import (
    BLOCKED,
    CLICKED,
    COMPLAINED,
    CONTENT,
    DEAD,
    DELIVERED,
    OPENED,
    UNSUBSCRIBED,
    Said,
)
from tocsin.channels.email.ses.body import REFERENCE
from tocsin.domain.instants import parse_instant
from tocsin.domain.json_check import UNREADABLE
from tocsin.errors import Malformed
from tocsin.ports.outcomes import ProviderReason
from tocsin.ports.receipts import Receipt, ReceiptState

_STATUS_CHARACTERS_MAX: Final = 16


class Mail(msgspec.Struct, frozen=True):
    """The letter; ``tags`` holds ours."""

    timestamp: str
    tags: Mapping[str, Sequence[str]] = {}


class Bounced(msgspec.Struct, frozen=True):
    """One recipient of a bounce."""

    status: str = ""


class Detail(msgspec.Struct, frozen=True, rename="camel"):
    """What an event says of its kind: of all kinds together, for each names its fields apart."""

    timestamp: str | None = None
    bounce_type: str = ""
    bounce_sub_type: str = ""
    bounced_recipients: Sequence[Bounced] = ()
    complaint_feedback_type: str | None = None


class Preferences(msgspec.Struct, frozen=True, rename="camel"):
    """What somebody wants of a contact list."""

    unsubscribe_all: bool = False


class Subscription(msgspec.Struct, frozen=True, rename="camel"):
    """A choice made on SES's own page."""

    timestamp: str | None = None
    new_topic_preferences: Preferences = Preferences()


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """One event; ``notification_type`` names the kind where it was set up the older way."""

    mail: Mail
    event_type: str = ""
    notification_type: str = ""
    bounce: Detail | None = None
    complaint: Detail | None = None
    delivery: Detail | None = None
    open: Detail | None = None
    click: Detail | None = None
    subscription: Subscription | None = None

    def __repr__(self) -> str:
        return f"Event({self.kind})"

    @property
    def kind(self) -> str:
        """What happened."""
        return self.event_type or self.notification_type


_BOUNCES: Final[Mapping[str, Said]] = {
    "Permanent": DEAD,
    # It bounced, or complained, some time ago: this letter was never tried.
    "Permanent/OnAccountSuppressionList": BLOCKED,
    "Transient": BLOCKED,
    "Transient/MessageTooLarge": Said(ReceiptState.FAILED, ProviderReason.TOO_LARGE),
    "Transient/ContentRejected": CONTENT,
    "Transient/AttachmentRejected": CONTENT,
    "Undetermined": BLOCKED,
}
"""By type and subtype, or by type alone."""

_KINDS: Final[Mapping[str, Said]] = {
    "Complaint": COMPLAINED,
    "Delivery": DELIVERED,
    "Reject": CONTENT,
    "Rendering Failure": CONTENT,
    "Open": OPENED,
    "Click": CLICKED,
    "Subscription": UNSUBSCRIBED,
}
"""Those left out (Send, DeliveryDelay) say nothing that was not known."""

_decoder: Final = msgspec.json.Decoder(Event)


def receipts_of(message: str) -> Sequence[Receipt]:
    """Return what the event in *message* says; raises `Malformed`."""
    try:
        event = _decoder.decode(message)
        said, detail = _said(event)
        references = event.mail.tags.get(REFERENCE, ())
        if said is None or not references:
            return ()
        at_ms = parse_instant(_timestamp(event))
    except (*UNREADABLE, ValueError):
        raise Malformed("an event of SES is needed") from None
    reference = references[0]
    return [Receipt(reference, said.state, said.reason, at_ms, said.dead, detail)]


def _said(event: Event) -> tuple[Said | None, str]:
    kind = event.kind
    if event.bounce is not None and kind == "Bounce":
        exact = f"{event.bounce.bounce_type}/{event.bounce.bounce_sub_type}"
        said = _BOUNCES.get(exact) or _BOUNCES.get(event.bounce.bounce_type, BLOCKED)
        statuses = [each.status for each in event.bounce.bounced_recipients]
        return said, f"{kind} {exact} {_status(statuses)}".strip()[:80]
    if event.complaint is not None and event.complaint.complaint_feedback_type == "not-spam":
        return None, ""
    chosen = event.subscription
    if chosen is not None and not chosen.new_topic_preferences.unsubscribe_all:
        return None, ""
    return _KINDS.get(kind), kind


def _timestamp(event: Event) -> str:
    details = (event.bounce, event.complaint, event.delivery, event.open, event.click)
    for each in (*details, event.subscription):
        if each is not None and each.timestamp:
            return each.timestamp
    return event.mail.timestamp


def _status(statuses: Sequence[str]) -> str:
    """Return an enhanced status code (RFC 3463) if it is one."""
    status = statuses[0] if statuses else ""
    return status[:_STATUS_CHARACTERS_MAX] if status.replace(".", "").isdecimal() else ""
