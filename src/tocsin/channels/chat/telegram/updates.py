"""What Telegram tells: updates, proved by the token that was set with the webhook."""

from __future__ import annotations

import hmac
from typing import Any, Final

import msgspec

from tocsin.domain.json_check import UNREADABLE
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.receipts import Callback, ChannelWish, Receipt, ReceiptState

_WORDS: Final = {"/start": True, "/stop": False}
_STATUSES: Final = {"member": True, "kicked": False}


class Chat(msgspec.Struct):
    """Where something happened."""

    id: int
    type: str = ""


class Person(msgspec.Struct):
    """Who did it."""

    first_name: str = ""


class Pressed(msgspec.Struct):
    """A button that was pressed (``callback_query``)."""

    id: str
    data: str = ""
    message: dict[str, Any] = {}
    sender: Person = msgspec.field(default_factory=Person, name="from")


class Said(msgspec.Struct):
    """A message to the bot."""

    chat: Chat
    text: str = ""
    date: int = 0


class Member(msgspec.Struct):
    """How the bot stands in a chat."""

    status: str = ""


class Membership(msgspec.Struct):
    """The bot's standing in a chat has changed (``my_chat_member``)."""

    chat: Chat
    new_chat_member: Member
    date: int = 0


class Update(msgspec.Struct):
    """What is read of an update."""

    update_id: int
    callback_query: Pressed | None = None
    message: Said | None = None
    my_chat_member: Membership | None = None


def verify(callback: Callback, secret: str) -> None:
    """Check the token; raises `Unauthenticated`. Nothing says when an update was made."""
    given = callback.headers.get("x-telegram-bot-api-secret-token", "")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode()):
        raise Unauthenticated("the token is not the webhook's")


def update(body: bytes) -> Update:
    """Read an update; raises `Malformed`."""
    try:
        return msgspec.json.decode(body, type=Update)
    except UNREADABLE:
        raise Malformed("an update is needed") from None


def receipts(said: Update, received_ms: int) -> list[Receipt]:
    """Return what was acknowledged; who pressed is not kept."""
    pressed = said.callback_query
    if pressed is None or not pressed.data:
        return []
    return [Receipt(pressed.data, ReceiptState.ACKNOWLEDGED, "telegram_button", received_ms)]


def wishes(said: Update, received_ms: int) -> list[ChannelWish]:
    """Return whether a person wants to hear from the bot: what she wrote, or that she blocked it."""
    message, membership = said.message, said.my_chat_member
    if message is not None and message.chat.type == "private":
        word = message.text.strip().lower()
        if word in _WORDS:
            at_ms = _ms(message.date, received_ms)
            return [ChannelWish(str(message.chat.id), _WORDS[word], at_ms, word)]
    if membership is not None and membership.chat.type == "private":
        status = membership.new_chat_member.status
        if status in _STATUSES:
            wanted, at_ms = _STATUSES[status], _ms(membership.date, received_ms)
            return [ChannelWish(str(membership.chat.id), wanted, at_ms, status)]
    return []


def _ms(date: int, received_ms: int) -> int:
    """Return a time in seconds as milliseconds; what is none, or lies ahead, is now."""
    return min(date * 1_000, received_ms) if date > 0 else received_ms
