"""What Postmark's webhooks say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tocsin.channels.email.postmark.body import REFERENCE
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
from tocsin.domain.instants import parse_instant
from tocsin.domain.json_check import UNREADABLE
from tocsin.errors import Malformed
from tocsin.ports.receipts import Receipt


class Event(msgspec.Struct, frozen=True, rename="pascal"):
    """What is read of an event; each kind names its time differently."""

    record_type: str
    metadata: Mapping[str, str] = {}
    type: str = ""
    suppress_sending: bool = False
    suppression_reason: str | None = None
    delivered_at: str | None = None
    bounced_at: str | None = None
    received_at: str | None = None
    changed_at: str | None = None

    def __repr__(self) -> str:
        return f"Event({self.record_type})"


_KINDS: Final[Mapping[str, Said]] = {
    "Delivery": DELIVERED,
    "Open": OPENED,
    "Click": CLICKED,
    "SpamComplaint": COMPLAINED,
    "Bounce/HardBounce": DEAD,
    "Bounce/BadEmailAddress": DEAD,
    "Bounce/SoftBounce": BLOCKED,
    "Bounce/Blocked": BLOCKED,
    "Bounce/SpamNotification": BLOCKED,
    "Bounce/DMARCPolicy": BLOCKED,
    "Bounce/ManuallyDeactivated": BLOCKED,
    "Bounce/Unconfirmed": BLOCKED,
    "Bounce/Unknown": BLOCKED,
    "Bounce/VirusNotification": CONTENT,
    "Bounce/TemplateRenderingFailed": CONTENT,
    "Bounce/SMTPApiError": CONTENT,
    "Bounce/SpamComplaint": COMPLAINED,
    "Bounce/Unsubscribe": UNSUBSCRIBED,
    "SubscriptionChange/ManualSuppression": UNSUBSCRIBED,
}
"""Those left out (answers of a machine, delays, suppressions that follow a bounce) end nothing."""

_decoder: Final = msgspec.json.Decoder(Event)


def receipts_of(body: bytes) -> Sequence[Receipt]:
    """Return what the event in *body* says; raises `Malformed`."""
    try:
        event = _decoder.decode(body)
        said = _KINDS.get(_kind(event))
        reference = event.metadata.get(REFERENCE)
        if said is None or reference is None:
            return ()
        at_ms = parse_instant(_timestamp(event))
    except (*UNREADABLE, ValueError):
        raise Malformed("an event of Postmark is needed") from None
    return [Receipt(reference, said.state, said.reason, at_ms, said.dead, _kind(event)[:80])]


def _kind(event: Event) -> str:
    if event.record_type == "Bounce":
        return f"Bounce/{event.type}"
    if event.record_type == "SubscriptionChange":
        why = event.suppression_reason if event.suppress_sending else None
        return f"SubscriptionChange/{why or ''}"
    return event.record_type


def _timestamp(event: Event) -> str:
    return event.delivered_at or event.bounced_at or event.received_at or event.changed_at or ""
