"""Its event webhook: whether it is SendGrid's, and what its events say."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tocsin.channels.email.reporting.said import (
    BLOCKED,
    CLICKED,
    COMPLAINED,
    CONTENT,
    DEAD,
    DELIVERED,
    OPENED,
    OURS,
    UNSUBSCRIBED,
    Said,
    stamp_ms,
)
from tocsin.domain.json_check import UNREADABLE
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.receipts import Callback, Receipt

_SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
_TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
_TIMESTAMP_DIGITS_MAX: Final = 12
_STATUS_CHARACTERS_MAX: Final = 16


class Event(msgspec.Struct, frozen=True):
    """What is read of an event; ``tocsin`` is our own argument."""

    event: str
    timestamp: float
    tocsin: str = ""
    reason: str | None = None
    status: str | None = None
    type: str | None = None
    sg_machine_open: bool = False

    def __repr__(self) -> str:
        return f"Event({self.event})"


_EVENTS: Final[Mapping[str, Said]] = {
    "delivered": DELIVERED,
    "bounce": DEAD,
    "bounce/blocked": BLOCKED,
    "dropped": BLOCKED,
    "dropped/bounced address": DEAD,
    "dropped/invalid": DEAD,
    "dropped/unsubscribed address": BLOCKED,
    "dropped/spam reporting address": BLOCKED,
    "dropped/spam content": CONTENT,
    "dropped/invalid smtpapi header": CONTENT,
    "dropped/recipient list over package quota": OURS,
    "open": OPENED,
    "click": CLICKED,
    "spamreport": COMPLAINED,
    "unsubscribe": UNSUBSCRIBED,
    "group_unsubscribe": UNSUBSCRIBED,
}
"""By event, and by its type or reason where there are several; those left out say nothing new."""

_decoder: Final = msgspec.json.Decoder(list[Event])


class Verifier:
    """Checks the signature over the time and the bytes of the body (ECDSA, P-256, SHA-256)."""

    def __init__(self, key: str, age_max_ms: int) -> None:
        """Take the key as SendGrid shows it, base64 of DER; raises ``ValueError``."""
        try:
            loaded = load_der_public_key(base64.b64decode(key, validate=True))
        except (binascii.Error, UnsupportedAlgorithm) as error:
            raise ValueError from error
        if not isinstance(loaded, EllipticCurvePublicKey):
            raise ValueError
        self._key = loaded
        self._age_max_ms = age_max_ms

    def check(self, callback: Callback) -> None:
        """Raise `Unauthenticated` for what is not SendGrid's, or too old."""
        stamp = callback.headers.get(_TIMESTAMP, "")
        if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= _TIMESTAMP_DIGITS_MAX):
            raise Unauthenticated("the callback has no time of signing")
        try:
            signature = base64.b64decode(callback.headers.get(_SIGNATURE, ""), validate=True)
            self._key.verify(signature, stamp.encode() + callback.body, ECDSA(SHA256()))
        except (ValueError, InvalidSignature):
            raise Unauthenticated("the signature is not SendGrid's") from None
        if abs(int(stamp) * 1_000 - callback.received_ms) > self._age_max_ms:
            raise Unauthenticated("the callback is too old")


def receipts_of(body: bytes) -> Sequence[Receipt]:
    """Return what the events in *body* say; raises `Malformed`."""
    try:
        events = _decoder.decode(body)
    except UNREADABLE:
        raise Malformed("a list of events is needed") from None
    return [receipt for event in events if (receipt := _receipt(event)) is not None]


def _receipt(event: Event) -> Receipt | None:
    """Return what *event* says; an opening by a machine that looks ahead is none."""
    said = _said(event)
    if said is None or not event.tocsin or event.sg_machine_open:
        return None
    return Receipt(
        reference=event.tocsin,
        state=said.state,
        reason=said.reason,
        at_ms=stamp_ms(event.timestamp),
        dead_address=said.dead,
        detail=f"{event.event} {_status(event.status)}".strip(),
    )


def _said(event: Event) -> Said | None:
    exact = event.type if event.event == "bounce" else event.reason
    found = _EVENTS.get(f"{event.event}/{(exact or '').lower()}")
    return found or _EVENTS.get(event.event)


def _status(status: str | None) -> str:
    """Return an enhanced status code (RFC 3463) if it is one: what else is said may name people."""
    plain = status is not None and status.replace(".", "").isdecimal()
    return status[:_STATUS_CHARACTERS_MAX] if status is not None and plain else ""
