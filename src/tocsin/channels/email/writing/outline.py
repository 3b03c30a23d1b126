"""A letter as vendors with an API of their own take it: in parts, which they put together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tocsin.channels.email.writing.addresses import wire_address
from tocsin.channels.email.writing.frame import UNSUBSCRIBE_PLACE, footer
from tocsin.channels.email.writing.headers import BadHeader, check
from tocsin.channels.email.writing.letter import BadLetter, Sender, list_name
from tocsin.ports.message import Message


@dataclass(frozen=True, slots=True)
class Outline:
    """
    One letter in parts. Addresses are ASCII; ``headers`` are ASCII, and the same field never twice.

    ``headers`` are what a vendor does not write by itself.
    """

    message: Message
    to: str
    reply_to: str
    headers: Sequence[tuple[str, str]]

    @property
    def subject(self) -> str:
        """The subject, one line."""
        return self.message.content.fields.get("subject", "")

    def texts(self, link: str | None) -> tuple[str, str]:
        """
        Return the plain text and the page, which may be empty, with *link* to unsubscribe.

        What stands for the link may be given instead of it, where a vendor fills it in.
        """
        fields = self.message.content.fields
        text, page = fields.get("text", ""), fields.get("html", "")
        before, place, after = page.partition(UNSUBSCRIBE_PLACE)
        if link is None:
            return text, before + after
        if place or not page:
            text = f"{text}\n\nUnsubscribe: {link}"
        return text, f"{before}{footer(link)}{after}" if place else page

    def alike(self) -> Hashable:
        """Return what is equal for letters that differ in nothing but whom they are for."""
        message = self.message
        return id(message.content), message.category, message.unsubscribe is None, self.reply_to


def outline(message: Message, sender: Sender) -> Outline:
    """Return *message* in parts; raises `BadLetter`."""
    to = wire_address(message.address)
    if to is None or to.utf8:
        raise BadLetter("address")
    fields = message.content.fields
    try:
        check(fields.get("subject", ""))
        headers = _headers(message, sender.domain)
    except BadHeader as bad:
        raise BadLetter("header") from bad
    said = fields.get("reply_to", "")
    return Outline(message, to.text, _ascii_address(said) if said else sender.reply_to, headers)


def _headers(message: Message, domain: str) -> Sequence[tuple[str, str]]:
    headers = [("Auto-Submitted", "auto-generated")]
    if message.unsubscribe is not None:
        headers += [
            ("List-Unsubscribe", f"<{message.unsubscribe}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ]
    if message.category is not None:
        headers.append(("List-Id", f"<{list_name(message.category)}.{domain}>"))
    if message.trace is not None:
        headers.append(("Traceparent", message.trace))
    for _, value in headers:
        check(value)
        if not value.isascii():
            raise BadHeader
    return headers


@lru_cache(maxsize=256)
def _ascii_address(address: str) -> str:
    wire = wire_address(address)
    if wire is None or wire.utf8:
        raise BadLetter("reply_to")
    return wire.text
