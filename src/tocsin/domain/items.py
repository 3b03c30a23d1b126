"""
An inbox item as clients see it.

The JSON text is made once, when route renders, and is what is stored, listed and sent. Only the id
differs between the recipients of one text, so it is put in front of what they share.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

TITLE_CHARACTERS_MAX: Final = 200
BODY_CHARACTERS_MAX: Final = 4_000
LINK_CHARACTERS_MAX: Final = 2_048
"""A longer link is left out, since half of one leads astray."""

_RUNS: Final = frozenset({"javascript", "vbscript", "data"})
_IGNORED: Final = re.compile(r"[\x00-\x20]")


class ItemAction(msgspec.Struct, frozen=True):
    """A button of an item."""

    label: str
    url: str


class ItemContent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the recipients of one text share."""

    workflow: str
    category: str
    title: str
    body: str
    created_at: str
    url: str | None = None
    image: str | None = None
    actor: str | None = None
    tenant: str | None = None
    actions: tuple[ItemAction, ...] = ()


_encoder = msgspec.json.Encoder()


def content(
    fields: Mapping[str, str],
    *,
    workflow: str,
    category: str,
    created_at: str,
    actor: str | None = None,
    tenant: str | None = None,
    actions: tuple[ItemAction, ...] = (),
) -> bytes:
    """Return the shared part of an item's JSON text, to be completed by `body`."""
    text = _encoder.encode(
        ItemContent(
            workflow,
            category,
            cut(fields.get("title", ""), TITLE_CHARACTERS_MAX),
            cut(fields.get("body", ""), BODY_CHARACTERS_MAX),
            created_at,
            link(fields.get("url")),
            link(fields.get("image")),
            actor,
            tenant,
            actions,
        )
    )
    return b"," + text[1:]


def cut(text: str, characters_max: int) -> str:
    """
    Return *text*, or its beginning with an ellipsis.

    >>> cut("shipped today", 8)
    'shipped…'
    """
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"


def link(address: str | None) -> str | None:
    """
    Return *address* if there is one that can be kept.

    A link may lead to a page or into an app, but not run: what comes from an event's data must
    not become a script in the page that shows the item. Browsers overlook white space and control
    characters before and within the scheme (WHATWG URL, 4.4), so it is looked at without them.

    >>> link("https://shop.example/o/1")
    'https://shop.example/o/1'
    >>> link("Java\\tScript:alert(1)") is None
    True
    """
    if not address or len(address) > LINK_CHARACTERS_MAX:
        return None
    scheme = _IGNORED.sub("", address).partition(":")[0].lower()
    return None if scheme in _RUNS else address


def action(label: str, address: str) -> ItemAction | None:
    """Return a button, or None where its link cannot be kept."""
    url = link(address)
    return None if url is None else ItemAction(label, url)


def body(notification: bytes, shared: bytes) -> bytes:
    """Return the whole JSON text of one recipient's item."""
    return b'{"id":"ntf_%b"%b' % (notification.hex().encode(), shared)
