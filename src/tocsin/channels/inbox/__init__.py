"""
The inbox: a channel without a provider.

Route renders and emits, the projection stores and settles. An item is shown in lists and
notifications of every size, so its parts are cut to what those show, with an ellipsis.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.items import BODY_CHARACTERS_MAX, TITLE_CHARACTERS_MAX, cut, link
from tocsin.errors import RequestRefused
from tocsin.ports.message import Content
from tocsin.ports.provider import Channel


class InboxChannel:
    """`tocsin.ports.provider.Channel` for what people see in the product."""

    name = "inbox"
    interrupts = False
    needs_address = False
    needs_provider = False

    def check_address(self, address: str) -> str:
        """Refuse: a person's inbox has no address."""
        raise RequestRefused("the inbox has no addresses", code="unknown_channel")

    def content_fields(self) -> frozenset[str]:
        """Return title, body and links."""
        return CHANNEL_FIELDS[self.name]

    def shape(self, rendered: Mapping[str, str]) -> Content:
        """Cut title and body, as `tocsin.domain.items.content` does for what route emits."""
        links = {name: link(rendered.get(name)) for name in ("url", "image")}
        return Content(
            cut(rendered.get("title", ""), TITLE_CHARACTERS_MAX),
            cut(rendered.get("body", ""), BODY_CHARACTERS_MAX),
            {name: kept for name, kept in links.items() if kept is not None},
        )


CHANNEL: Final[Channel] = InboxChannel()
