"""Mailgun's webhooks: whether they are Mailgun's, and what they say."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tocsin.channels.email.mailgun.body import REFERENCE
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
    stamp_ms,
)
from tocsin.config import Secret
from tocsin.domain.json_check import UNREADABLE
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.receipts import Callback, Receipt

_TOKENS_MAX: Final = 100_000
_TIMESTAMP_DIGITS_MAX: Final = 12


class Signature(msgspec.Struct, frozen=True):
    """What proves that a webhook is Mailgun's: it covers no more than these fields."""

    timestamp: str
    token: str
    signature: str


class Webhook(msgspec.Struct, frozen=True):
    """A webhook; what it says is read once it is proven."""

    signature: Signature
    event: msgspec.Raw = msgspec.field(name="event-data")


class Status(msgspec.Struct, frozen=True):
    """What the reader's mail server said."""

    enhanced: str = msgspec.field(name="enhanced-code", default="")


class Client(msgspec.Struct, frozen=True):
    """Who opened or clicked; ``bot`` is a program that looks ahead."""

    bot: str | None = None


class Event(msgspec.Struct, frozen=True):
    """What is read of an event."""

    event: str
    timestamp: float
    severity: str = ""
    reason: str = ""
    variables: Mapping[str, object] = msgspec.field(name="user-variables", default={})
    status: Status = msgspec.field(name="delivery-status", default=Status())
    client: Client = msgspec.field(name="client-info", default=Client())

    def __repr__(self) -> str:
        return f"Event({self.event})"


_EVENTS: Final[Mapping[str, Said]] = {
    "delivered": DELIVERED,
    "failed/permanent": BLOCKED,
    "failed/permanent/bounce": DEAD,
    "failed/permanent/suppress-bounce": DEAD,
    "rejected": CONTENT,
    "opened": OPENED,
    "clicked": CLICKED,
    "unsubscribed": UNSUBSCRIBED,
    "complained": COMPLAINED,
}
"""Those left out (accepted, stored, a failure that is not for good) say nothing new."""

_webhooks: Final = msgspec.json.Decoder(Webhook)
_events: Final = msgspec.json.Decoder(Event, strict=False)


class Verifier:
    """
    Checks signatures: HMAC-SHA-256 over time and token.

    The body is not covered, so a token is good for one body alone: whoever saw a webhook could
    otherwise say anything with its signature.
    """

    def __init__(self, key: Secret, age_max_ms: int) -> None:
        self._key = key
        self._age_max_ms = age_max_ms
        self._bodies: OrderedDict[str, bytes] = OrderedDict()

    def open(self, callback: Callback) -> bytes:
        """Return the event in *callback*; raises `Unauthenticated` for what is not Mailgun's."""
        try:
            webhook = _webhooks.decode(callback.body)
        except UNREADABLE:
            raise Unauthenticated("a signed webhook of Mailgun is needed") from None
        said = webhook.signature
        stamp = said.timestamp
        text = f"{stamp}{said.token}".encode()
        wanted = hmac.new(self._key.reveal().encode(), text, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(said.signature.encode("utf-8", "replace"), wanted.encode()):
            raise Unauthenticated("the signature is not Mailgun's")
        if not stamp.isdecimal() or len(stamp) > _TIMESTAMP_DIGITS_MAX:
            raise Unauthenticated("the callback has no time of signing")
        if abs(int(stamp) * 1_000 - callback.received_ms) > self._age_max_ms:
            raise Unauthenticated("the callback is too old")
        digest = hashlib.sha256(callback.body).digest()
        if self._bodies.setdefault(said.token, digest) != digest:
            raise Unauthenticated("the signature came with another body before")
        if len(self._bodies) > _TOKENS_MAX:
            self._bodies.popitem(last=False)
        return bytes(webhook.event)


def receipts_of(body: bytes) -> Sequence[Receipt]:
    """Return what the event in *body* says; raises `Malformed`."""
    try:
        event = _events.decode(body)
    except UNREADABLE:
        raise Malformed("an event of Mailgun is needed") from None
    said, reference = _said(event), event.variables.get(REFERENCE)
    if said is None or not isinstance(reference, str) or event.client.bot:
        return ()
    return [
        Receipt(
            reference=reference,
            state=said.state,
            reason=said.reason,
            at_ms=stamp_ms(event.timestamp),
            dead_address=said.dead,
            detail=_detail(event),
        )
    ]


def _said(event: Event) -> Said | None:
    exact = f"{event.event}/{event.severity}"
    return _EVENTS.get(f"{exact}/{event.reason}") or _EVENTS.get(exact) or _EVENTS.get(event.event)


def _detail(event: Event) -> str:
    """Return what may be kept: an enhanced status code (RFC 3463), but no words, which name people."""
    status = event.status.enhanced
    shown = status if status.replace(".", "").isdecimal() else ""
    return " ".join(filter(None, (event.event, event.severity, event.reason, shown)))[:80]
