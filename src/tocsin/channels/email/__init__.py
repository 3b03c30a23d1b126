"""
Email: what a letter is, whoever carries it.

A step says either the letter itself (``subject``, ``html``, ``text``) or, as on every channel, a
``title`` and a ``body``, which are put into a plain frame. ``writing`` makes bytes of it; the other
folders are providers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.channels.email.writing.addresses import normal_address
from tocsin.channels.email.writing.frame import completed, framed
from tocsin.channels.email.writing.plain import plain_text
from tocsin.channels.email.writing.tidy import one_line, some_lines
from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.items import cut
from tocsin.errors import RequestRefused
from tocsin.ports.message import Content
from tocsin.ports.provider import Channel

SUBJECT_CHARACTERS_MAX: Final = 250
PREHEADER_CHARACTERS_MAX: Final = 250


class EmailChannel:
    """
    `tocsin.ports.provider.Channel` for email.

    It waits to be read, so quiet hours concern it only where a category says so
    (`tocsin.domain.gates`).
    """

    name = "email"
    interrupts = False
    needs_address = True
    needs_provider = True

    def check_address(self, address: str) -> str:
        """Return the address in its normal form; raises `RequestRefused` for what is none."""
        normal = normal_address(address)
        if normal is None:
            raise RequestRefused("is not an email address", code="invalid_email")
        return normal

    def content_fields(self) -> frozenset[str]:
        """Return what a letter is made of."""
        return CHANNEL_FIELDS[self.name]

    def shape(self, rendered: Mapping[str, str]) -> Content:
        """
        Return a letter that is whole: with a subject, a text, and a page where one is said.

        ``text`` always is there: made of the page, or of title and body, when none was said.
        """
        title = one_line(rendered.get("title", ""))
        body = some_lines(rendered.get("body", ""))
        page = some_lines(rendered.get("html", ""))
        text = some_lines(rendered.get("text", ""))
        preheader = cut(one_line(rendered.get("preheader", "")), PREHEADER_CHARACTERS_MAX)
        if not text:
            text = plain_text(page) if page else "\n\n".join(filter(None, (title, body)))
        subject = cut(one_line(rendered.get("subject", "")) or title, SUBJECT_CHARACTERS_MAX)
        if page:
            page = completed(page, subject, preheader)
        elif body and "text" not in rendered:
            page = framed(subject, title, body, preheader)
        fields = {
            "subject": subject,
            "text": text,
            "html": page,
            "reply_to": one_line(rendered.get("reply_to", "")),
        }
        return Content(title, body, {name: value for name, value in fields.items() if value})


CHANNEL: Final[Channel] = EmailChannel()
