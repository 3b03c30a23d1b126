"""What Postmark's webhooks say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from tocsin.channels.email.postmark.body import REFERENCE
from tocsin.domain.instants import parse_instant
from tocsin.errors import Malformed
from tocsin.ports.outcomes import ProviderReason
from tocsin.ports.receipts import Receipt, ReceiptState


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


class Said(NamedTuple):
    """What a kind of event says."""

    state: ReceiptState
    reason: str
    dead: bool = False


_DEAD: Final = Said(ReceiptState.FAILED, ProviderReason.DEAD_ADDRESS, True)
_BLOCKED: Final = Said(ReceiptState.FAILED, ProviderReason.BLOCKED)
_CONTENT: Final = Said(ReceiptState.FAILED, ProviderReason.BAD_CONTENT)
_COMPLAINED: Final = Said(ReceiptState.COMPLAINED, "complained")
_UNSUBSCRIBED: Final = Said(ReceiptState.UNSUBSCRIBED, "unsubscribed")

_KINDS: Final[Mapping[str, Said]] = {
    "Delivery": Said(ReceiptState.DELIVERED, "delivered"),
    "Open": Said(ReceiptState.OPENED, "opened"),
    "Click": Said(ReceiptState.CLICKED, "clicked"),
    "SpamComplaint": _COMPLAINED,
    "Bounce/HardBounce": _DEAD,
    "Bounce/BadEmailAddress": _DEAD,
    "Bounce/SoftBounce": _BLOCKED,
    "Bounce/Blocked": _BLOCKED,
    "Bounce/SpamNotification": _BLOCKED,
    "Bounce/DMARCPolicy": _BLOCKED,
    "Bounce/ManuallyDeactivated": _BLOCKED,
    "Bounce/Unconfirmed": _BLOCKED,
    "Bounce/Unknown": _BLOCKED,
    "Bounce/VirusNotification": _CONTENT,
    "Bounce/TemplateRenderingFailed": _CONTENT,
    "Bounce/SMTPApiError": _CONTENT,
    "Bounce/SpamComplaint": _COMPLAINED,
    "Bounce/Unsubscribe": _UNSUBSCRIBED,
    "SubscriptionChange/ManualSuppression": _UNSUBSCRIBED,
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
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
