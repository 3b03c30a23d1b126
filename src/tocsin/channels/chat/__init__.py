"""Chat: a message in a conversation on somebody else's platform, from one content for all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from tocsin.channels.chat.writing.fitting import cut, plain_line, plain_lines
from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.urls import public_url
from tocsin.errors import RequestRefused
from tocsin.ports.message import Content
from tocsin.ports.provider import Channel

TITLE_UNITS_MAX: Final = 1_000
BODY_UNITS_MAX: Final = 16_000
LINK_CHARACTERS_MAX: Final = 2_048

_NAME: Final = re.compile(r"[\x21-\x7e]{1,512}\Z", re.ASCII)


class ChatChannel:
    """
    `tocsin.ports.provider.Channel` for chats.

    Texts are plain: what looks like markup or a mention in them is shown as it stands, and each
    platform's folder sees to that. Platforms cut further, each to its own limits.
    """

    name = "chat"
    interrupts = True
    needs_address = True
    needs_provider = True

    def check_address(self, address: str) -> str:
        """Look at a URL as at any other that is to be called; other addresses are names."""
        return _checked(address)

    def content_fields(self) -> frozenset[str]:
        """Return title, body and links."""
        return CHANNEL_FIELDS[self.name]

    def shape(self, rendered: Mapping[str, str]) -> Content:
        """Cut what is said to what the roomiest platform takes; a longer link is left out."""
        fields = {
            name: rendered[name]
            for name in ("url", "image")
            if rendered.get(name, "").startswith(("https://", "http://"))
            and len(rendered[name]) <= LINK_CHARACTERS_MAX
        }
        if collapse_key := rendered.get("collapse_key", ""):
            fields["collapse_key"] = collapse_key
        return Content(
            cut(plain_line(rendered.get("title", "")), TITLE_UNITS_MAX),
            cut(plain_lines(rendered.get("body", "")), BODY_UNITS_MAX),
            fields,
        )


@lru_cache(maxsize=4_096)
def _checked(address: str) -> str:
    if address.startswith(("https://", "http://")):
        return public_url(address)
    if _NAME.match(address) is None:
        raise RequestRefused("is no name of a chat", code="invalid_chat")
    return address


CHANNEL: Final[Channel] = ChatChannel()
