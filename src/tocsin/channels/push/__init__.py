"""Push: a notification on the lock screen of a phone or on a desktop, by the device's own vendor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.urls import public_url
from tocsin.errors import RequestRefused
from tocsin.ports.message import Content
from tocsin.ports.provider import Channel

TITLE_CHARACTERS_MAX: Final = 200
BODY_CHARACTERS_MAX: Final = 2_000
"""More than any device shows; what a vendor takes is counted in bytes, by its folder."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_:-]{1,4096}\Z", re.ASCII)


class _Subscription(msgspec.Struct, frozen=True):
    endpoint: str


_subscriptions: Final = msgspec.json.Decoder(_Subscription)


class PushChannel:
    """
    `tocsin.ports.provider.Channel` for devices: phones by a token, browsers by a subscription.
    """

    name = "push"
    interrupts = True
    needs_address = True
    needs_provider = True

    def check_address(self, address: str) -> str:
        """Look at a subscription's URL, which comes from a browser; a token is only looked up."""
        return _checked(address)

    def content_fields(self) -> frozenset[str]:
        """Return title and body, links, and what collapses older messages."""
        return CHANNEL_FIELDS[self.name]

    def shape(self, rendered: Mapping[str, str]) -> Content:
        """Cut the texts; without any, the message is silent: it wakes the app and shows nothing."""
        return Content(
            rendered.get("title", "")[:TITLE_CHARACTERS_MAX],
            rendered.get("body", "")[:BODY_CHARACTERS_MAX],
            {name: rendered[name] for name in _BESIDE if rendered.get(name)},
        )


_BESIDE: Final = ("url", "image", "sound", "collapse_key")


@lru_cache(maxsize=4_096)
def _checked(address: str) -> str:
    if _TOKEN.match(address) is not None:
        return address
    try:
        found = _subscriptions.decode(address)
    except (msgspec.DecodeError, RecursionError):
        raise RequestRefused("is neither a token nor a subscription", code="bad_device") from None
    public_url(found.endpoint)
    return address


CHANNEL: Final[Channel] = PushChannel()
