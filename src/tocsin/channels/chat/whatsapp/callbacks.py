"""What Meta tells: what became of messages, what people press and write; signed as a whole."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qs

import msgspec

from tocsin.domain.json_check import UNREADABLE
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.receipts import Callback, ChannelWish, Receipt, ReceiptState, Response

_STATES: Final = {
    "delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.OPENED,
    "failed": ReceiptState.FAILED,
}
_WORDS: Final = {"stop": False, "unsubscribe": False, "start": True}
_VALUES: Final = {"stop": False, "resume": True}
_NOBODY: Final = 131026
_CHALLENGE_MAX: Final = 200
_USER_ID: Final = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}\Z", re.ASCII)


class Fault(msgspec.Struct):
    """Why a message failed."""

    code: int = 0


class Status(msgspec.Struct):
    """What became of a message."""

    status: str = ""
    timestamp: str = "0"
    biz_opaque_callback_data: str = ""
    errors: list[Fault] = []


class ButtonReply(msgspec.Struct):
    """A button of ours that was pressed."""

    id: str = ""


class Interactive(msgspec.Struct):
    """An answer to a message with buttons."""

    button_reply: ButtonReply = msgspec.field(default_factory=ButtonReply)


class Button(msgspec.Struct):
    """A quick reply of a template."""

    payload: str = ""


class Text(msgspec.Struct):
    """What somebody wrote."""

    body: str = ""


class Written(msgspec.Struct):
    """A message to the business."""

    sender: str = msgspec.field(default="", name="from")
    """Her number; left out for who goes by a name of her own."""
    from_user_id: str = ""
    timestamp: str = "0"
    interactive: Interactive = msgspec.field(default_factory=Interactive)
    button: Button = msgspec.field(default_factory=Button)
    text: Text = msgspec.field(default_factory=Text)


class Preference(msgspec.Struct):
    """Somebody stopped marketing messages in WhatsApp, or resumed them."""

    wa_id: str = ""
    user_id: str = ""
    value: str = ""
    timestamp: str | int = 0


class Value(msgspec.Struct):
    """What one change tells."""

    statuses: list[Status] = []
    messages: list[Written] = []
    user_preferences: list[Preference] = []


class Change(msgspec.Struct):
    """One change."""

    value: Value = msgspec.field(default_factory=Value)


class Entry(msgspec.Struct):
    """The changes of one account."""

    changes: list[Change] = []


class Notice(msgspec.Struct):
    """What is read of a webhook."""

    object: str
    entry: list[Entry] = []

    def values(self) -> Iterator[Value]:
        """Yield what it tells."""
        for entry in self.entry:
            for change in entry.changes:
                yield change.value


def challenge(callback: Callback, verify_token: str) -> Response:
    """Answer Meta, who asks whether the webhook is ours; raises `Unauthenticated`."""
    asked = parse_qs(callback.query, max_num_fields=20)
    token = asked.get("hub.verify_token", [""])[0]
    if not hmac.compare_digest(token.encode("utf-8", "replace"), verify_token.encode()):
        raise Unauthenticated("the token is not the webhook's")
    text = asked.get("hub.challenge", [""])[0]
    if not text.isalnum() or len(text) > _CHALLENGE_MAX:
        raise Malformed("a challenge is needed")
    return Response(200, "text/plain", text.encode("ascii", "replace"))


def verify(callback: Callback, secret: str) -> None:
    """Check the signature; raises `Unauthenticated`. It does not say when it was made."""
    given = callback.headers.get("x-hub-signature-256", "")
    wanted = "sha256=" + hmac.new(secret.encode(), callback.body, "sha256").hexdigest()
    if not hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
        raise Unauthenticated("the signature is not Meta's")


def notice(body: bytes) -> Notice:
    """Read a webhook; raises `Malformed`."""
    try:
        return msgspec.json.decode(body, type=Notice)
    except UNREADABLE:
        raise Malformed("a webhook of Meta's is needed") from None


def receipts(said: Notice, received_ms: int) -> Iterator[Receipt]:
    """Yield what became of messages, and which were acknowledged."""
    for value in said.values():
        for status in value.statuses:
            state = _STATES.get(status.status)
            if state is None or not status.biz_opaque_callback_data:
                continue
            codes = [fault.code for fault in status.errors]
            yield Receipt(
                status.biz_opaque_callback_data,
                state,
                f"whatsapp_{status.status}",
                _ms(status.timestamp, received_ms),
                dead_address=state is ReceiptState.FAILED and _NOBODY in codes,
                detail=", ".join(map(str, codes)),
            )
        for written in value.messages:
            reference = written.interactive.button_reply.id or written.button.payload
            if reference:
                at_ms = _ms(written.timestamp, received_ms)
                acknowledged = ReceiptState.ACKNOWLEDGED
                yield Receipt(reference, acknowledged, "whatsapp_button", at_ms)


def wishes(said: Notice, received_ms: int) -> Iterator[ChannelWish]:
    """Yield who wants no more messages, or wants them again."""
    for value in said.values():
        for written in value.messages:
            word = written.text.body.strip().lower()
            if word in _WORDS:
                at_ms = _ms(written.timestamp, received_ms)
                for address in _addresses(written.sender, written.from_user_id):
                    yield ChannelWish(address, _WORDS[word], at_ms, word)
        for preference in value.user_preferences:
            if preference.value in _VALUES:
                wanted, at_ms = _VALUES[preference.value], _ms(preference.timestamp, received_ms)
                for address in _addresses(preference.wa_id, preference.user_id):
                    yield ChannelWish(address, wanted, at_ms, preference.value)


def is_user_id(text: str) -> bool:
    """Return whether *text* is Meta's id of a person for one business: a country, and a number."""
    return _USER_ID.match(text) is not None


def _addresses(number: str, user_id: str) -> Iterator[str]:
    """Yield under what addresses somebody may be written to: whichever she is known by here."""
    if number.isdigit():
        yield f"+{number}"
    if is_user_id(user_id):
        yield user_id


def _ms(stamp: str | int, received_ms: int) -> int:
    """Return a time in seconds as milliseconds; what is none, or lies ahead, is now."""
    text = str(stamp)
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= 12):
        return received_ms
    return min(int(text) * 1_000, received_ms)
