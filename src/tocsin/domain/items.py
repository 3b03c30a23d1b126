"""
An inbox item as clients see it.

The JSON text is made once, when route renders, and is what is stored, listed and sent. Only the id
differs between the recipients of one text, so it is put in front of what they share.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


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
            fields.get("title", ""),
            fields.get("body", ""),
            created_at,
            fields.get("url") or None,
            fields.get("image") or None,
            actor,
            tenant,
            actions,
        )
    )
    return b"," + text[1:]


def body(notification: bytes, shared: bytes) -> bytes:
    """Return the whole JSON text of one recipient's item."""
    return b'{"id":"ntf_%b"%b' % (notification.hex().encode(), shared)
