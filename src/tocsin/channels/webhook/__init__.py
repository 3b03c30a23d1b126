"""Webhooks: a notification as a signed request to a URL, for systems rather than people."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.urls import public_url
from tocsin.ports.message import Content
from tocsin.ports.provider import Channel

TITLE_CHARACTERS_MAX: Final = 1_000
BODY_CHARACTERS_MAX: Final = 64 * 1_024


class WebhookChannel:
    """`tocsin.ports.provider.Channel` for machines: quiet hours do not concern them."""

    name = "webhook"
    interrupts = False
    needs_address = True
    needs_provider = True

    def check_address(self, address: str) -> str:
        """Look at the URL; where its name leads is looked at when the connection is made."""
        return _checked(address)

    def content_fields(self) -> frozenset[str]:
        """Return title, body and links."""
        return CHANNEL_FIELDS[self.name]

    def shape(self, rendered: Mapping[str, str]) -> Content:
        """Cut title and body to what a receiver may have to take; links stay as they are."""
        return Content(
            rendered.get("title", "")[:TITLE_CHARACTERS_MAX],
            rendered.get("body", "")[:BODY_CHARACTERS_MAX],
            {name: rendered[name] for name in ("url", "image") if rendered.get(name)},
        )


@lru_cache(maxsize=4_096)
def _checked(address: str) -> str:
    return public_url(address)


CHANNEL: Final[Channel] = WebhookChannel()
