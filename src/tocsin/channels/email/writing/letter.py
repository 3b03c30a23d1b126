"""The whole letter: headers and parts, as the bytes that are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from tocsin.channels.email.writing.addresses import Wire, wire_address
from tocsin.channels.email.writing.dkim import DkimKey, signed
from tocsin.channels.email.writing.headers import (
    BadHeader,
    check,
    exact_field,
    mailbox_field,
    text_field,
)
from tocsin.channels.email.writing.parts import Parts
from tocsin.ports.message import Content, Message

_ONE_CLICK: Final = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
_AUTOMATIC: Final = b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"


class BadLetter(ValueError):
    """A message that cannot become a letter; the reason is a word, never a value."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a letter is from. ``address`` is plain ASCII."""

    address: str
    name: str = ""
    reply_to: str = ""

    @property
    def domain(self) -> str:
        """What names of letters and lists end with."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter and where it goes; ``data`` ends with CRLF."""

    to: Wire
    data: bytes


class Writer:
    """
    Writes letters from one sender.

    What is the same for a second, or for all readers of a text, is made once.
    """

    def __init__(
        self,
        sender: Sender,
        keys: Sequence[DkimKey] = (),
        named: Callable[[str], str] = str,
    ) -> None:
        """
        Take who they are from, what they are signed with, and how a reference becomes a name.

        Raises `BadHeader` when the sender cannot be written.
        """
        self._sender = sender
        self._keys = keys
        self._named = named
        self._from = mailbox_field("From", sender.name, sender.address)
        self._domain = sender.domain
        self._date = (-1, b"")
        self._content: Content | None = None
        self._parts = Parts(())

    def write(self, message: Message, now_ms: int) -> Letter:
        """
        Return *message* as a letter of that time; raises `BadLetter`.

        Its Message-ID follows from the message's reference, so every attempt has the same one.
        """
        to = wire_address(message.address)
        if to is None:
            raise BadLetter("address")
        try:
            head = self._head(message, to, now_ms)
            data = head + self._body(message.content, message.unsubscribe)
        except BadHeader as bad:
            raise BadLetter("header") from bad
        return Letter(to, signed(data, self._keys, now_ms // 1_000) if self._keys else data)

    def _head(self, message: Message, to: Wire, now_ms: int) -> bytes:
        fields = message.content.fields
        check(message.reference)
        lines = [
            self._from,
            mailbox_field("To", "", to.text),
            text_field("Subject", fields.get("subject", "")),
            self._dated(now_ms),
            f"Message-ID: <{self._named(message.reference)}@{self._domain}>\r\n".encode(),
            _AUTOMATIC,
        ]
        reply_to = fields.get("reply_to") or self._sender.reply_to
        if reply_to:
            lines.append(_reply_to(reply_to))
        if message.unsubscribe is not None:
            lines.append(exact_field("List-Unsubscribe", f"<{message.unsubscribe}>"))
            lines.append(_ONE_CLICK)
        if message.category is not None:
            lines.append(exact_field("List-Id", f"<{list_name(message.category)}.{self._domain}>"))
        if message.trace is not None:
            lines.append(exact_field("Traceparent", message.trace))
        return b"".join(lines)

    def _dated(self, now_ms: int) -> bytes:
        second = now_ms // 1_000
        if self._date[0] != second:
            self._date = (second, f"Date: {formatdate(second)[:-5]}+0000\r\n".encode())
        return self._date[1]

    def _body(self, content: Content, unsubscribe: str | None) -> bytes:
        """Readers of one text follow one another, so the parts of the last one are kept."""
        if content is not self._content:
            self._parts = Parts.of(content.fields, content.attachments)
            self._content = content
        return self._parts.with_link(unsubscribe)


def list_name(category: str) -> str:
    """Return a category as a list's name, of atoms (RFC 2919, 2); a key may hold what they may not."""
    return category.replace(":", "-")


def _reply_to(address: str) -> bytes:
    wire = wire_address(address)
    if wire is None or wire.utf8:
        raise BadLetter("reply_to")
    return mailbox_field("Reply-To", "", wire.text)
