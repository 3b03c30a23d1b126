"""Resend's webhooks: whether they are Resend's, and what they say."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tocsin.channels.email.reporting.said import CLICKED, COMPLAINED, DELIVERED, OPENED, Said
from tocsin.channels.email.resend.body import REFERENCE
from tocsin.channels.replies import Replies
from tocsin.domain.instants import parse_instant
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.webhook_signing import check_secrets, signatures
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.receipts import Callback, Receipt, ReceiptState

_TIMESTAMP_DIGITS_MAX: Final = 12
_FAILED: Final = frozenset({"email.bounced", "email.failed", "email.suppressed"})
_SAID: Final[Mapping[str, Said]] = {
    "email.delivered": DELIVERED,
    "email.opened": OPENED,
    "email.clicked": CLICKED,
    "email.complained": COMPLAINED,
}
"""Those that are in neither (sent, scheduled, delivery_delayed, a contact's) end nothing."""


class Bounce(msgspec.Struct, frozen=True):
    """Why it came back."""

    type: str = ""
    sub_type: str = msgspec.field(name="subType", default="")


class Failure(msgspec.Struct, frozen=True):
    """Why it was not sent."""

    reason: str = ""


class Tag(msgspec.Struct, frozen=True):
    """A tag in a list of them."""

    name: str
    value: str = ""


class Data(msgspec.Struct, frozen=True):
    """
    What happened to which letter.

    Resend documents ``tags`` as a list of names and values and shows them as an object.
    """

    tags: dict[str, str] | list[Tag] = {}
    bounce: Bounce = Bounce()
    failed: Failure = Failure()

    @property
    def reference(self) -> str | None:
        """Our reference; None of a letter that is not ours."""
        tags = self.tags
        named = tags if isinstance(tags, dict) else {each.name: each.value for each in tags}
        return named.get(REFERENCE)


class Event(msgspec.Struct, frozen=True):
    """What is read of an event; ``data`` follows once the kind says that it is about a letter."""

    type: str
    created_at: str
    data: msgspec.Raw

    def __repr__(self) -> str:
        return f"Event({self.type})"


_events: Final = msgspec.json.Decoder(Event)
_data: Final = msgspec.json.Decoder(Data)


class Verifier:
    """Checks signatures of Standard Webhooks under the names of Svix, by which Resend calls."""

    def __init__(self, secrets: str, age_max_ms: int) -> None:
        """Take what `check_secrets` takes; raises `tocsin.errors.RequestRefused`."""
        self._secrets = check_secrets(secrets)
        self._age_max_ms = age_max_ms

    def check(self, callback: Callback) -> None:
        """Raise `Unauthenticated` for what is not Resend's, or too old."""
        headers = callback.headers
        stamp = headers.get("svix-timestamp", "")
        if not (stamp.isascii() and stamp.isdecimal()) or len(stamp) > _TIMESTAMP_DIGITS_MAX:
            raise Unauthenticated("the callback has no time of signing")
        wanted = signatures(
            self._secrets, headers.get("svix-id", ""), int(stamp), callback.body
        ).split(" ")
        given = headers.get("svix-signature", "").split(" ")
        if not any(_same(one, other) for one in given for other in wanted):
            raise Unauthenticated("the signature is not Resend's")
        if abs(int(stamp) * 1_000 - callback.received_ms) > self._age_max_ms:
            raise Unauthenticated("the callback is too old")


def receipts_of(body: bytes, replies: Replies) -> Sequence[Receipt]:
    """Return what the event in *body* says; raises `Malformed`."""
    try:
        event = _events.decode(body)
        if event.type not in _SAID and event.type not in _FAILED:
            return ()
        data = _data.decode(event.data)
        at_ms = parse_instant(event.created_at)
    except (*UNREADABLE, ValueError):
        raise Malformed("an event of Resend is needed") from None
    reference = data.reference
    if reference is None:
        return ()
    said, detail = _said(event, data, replies)
    return [Receipt(reference, said.state, said.reason, at_ms, said.dead, detail[:80])]


def _said(event: Event, data: Data, replies: Replies) -> tuple[Said, str]:
    """Return what it means, and what of it may be kept: its kind, no words that name people."""
    simple = _SAID.get(event.type)
    if simple is not None:
        return simple, event.type
    code = _code(event, data)
    exact = code if code in replies.reports else code.partition("/")[0]
    report = replies.report(exact)
    detail = event.type if exact not in replies.reports else f"{event.type} {exact}"
    return Said(ReceiptState.FAILED, report.reason, report.dead_address), detail


def _code(event: Event, data: Data) -> str:
    if event.type == "email.bounced":
        return f"{data.bounce.type}/{data.bounce.sub_type}"
    return "suppressed" if event.type == "email.suppressed" else data.failed.reason


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())
