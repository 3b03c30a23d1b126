"""Short lines of text to a named pager."""

from __future__ import annotations

from collections.abc import Mapping

from tocsin.errors import RequestRefused
from tocsin.ports.message import Content

BODY_CHARACTERS_MAX = 80


class ChatChannel:
    """`tocsin.ports.provider.Channel`."""

    name = "chat"
    interrupts = True
    needs_address = True
    needs_provider = True

    def check_address(self, address: str) -> str:
        if address.startswith(("http://", "https://")):
            raise RequestRefused("a pager has a name, no URL", code="invalid_chat")
        return address

    def content_fields(self) -> frozenset[str]:
        return frozenset({"title", "body"})

    def shape(self, rendered: Mapping[str, str]) -> Content:
        return Content(rendered.get("title", ""), rendered.get("body", "")[:BODY_CHARACTERS_MAX])
