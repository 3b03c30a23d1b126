"""
SMS: a few lines of text to a phone number.

Title and body are one text; how many parts carry it is `tocsin.domain.sms`'s business, and a limit
of parts each provider's setting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.phones import checked_number
from tocsin.domain.sms import shortened
from tocsin.ports.message import Content
from tocsin.ports.provider import Channel

TEXT_CHARACTERS_MAX: Final = 1_600
"""What vendors take at most, whatever the encoding."""

_CONTROLS: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u2029]")


class SmsChannel:
    """`tocsin.ports.provider.Channel` for text messages: a phone rings, so quiet hours hold."""

    name = "sms"
    interrupts = True
    needs_address = True
    needs_provider = True

    def check_address(self, address: str) -> str:
        """Return a number in international form; raises `RequestRefused`."""
        return checked_number(address)

    def content_fields(self) -> frozenset[str]:
        """Return title and body."""
        return CHANNEL_FIELDS[self.name]

    def shape(self, rendered: Mapping[str, str]) -> Content:
        """Return one text in ``fields["text"]``: the title, and below it the body."""
        title, body = _tidy(rendered.get("title", "")), _tidy(rendered.get("body", ""))
        text = "\n".join(filter(None, (title, body)))
        return Content(title, body, {"text": shortened(text, TEXT_CHARACTERS_MAX)})


def _tidy(text: str) -> str:
    """Leave line breaks; other controls would be an escape or force another encoding."""
    return _CONTROLS.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


CHANNEL: Final[Channel] = SmsChannel()
