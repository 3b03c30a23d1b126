"""
Links by which a letter tells that it was opened, and what was followed in it.

The part of a link that names what it is about is, in base64url, these bytes::

    version 1 | key 1 | kind 1 | delivery 20 | MAC 16

Where a link leads to is its parameter ``to``. The MAC is HMAC-SHA-256, cut to 128 bits, over all the
rest and that: so the server leads nowhere that a letter of its own did not, and nobody can make up
what somebody else has opened.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import quote

from msgspec.structs import replace

from tocsin.app.leaving import LeaveLinks
from tocsin.domain.base64url import base64url, read_base64url
from tocsin.domain.followed_pages import with_followed_links, with_picture
from tocsin.domain.recipient import Recipient
from tocsin.domain.workflow import Workflow
from tocsin.errors import NotFound
from tocsin.ports.message import Content

FOLLOW_PATH: Final = "/v1/t/"

_VERSION: Final = 1
_OPENED: Final = 0
_CLICKED: Final = 1
_DELIVERY_BYTES: Final = 20
_HEAD_BYTES: Final = 3 + _DELIVERY_BYTES
_MAC_BYTES: Final = 16
_TOKEN_CHARACTERS_MAX: Final = 128


class Followed(NamedTuple):
    """What a link says; ``target`` is None of one that only tells that the letter was opened."""

    delivery: bytes
    target: str | None

    def __repr__(self) -> str:
        return f"Followed({'opened' if self.target is None else 'clicked'})"


class FollowedLinks:
    """Makes and reads links; *base* knows how the outside reaches this server."""

    def __init__(
        self, key: bytes, base: LeaveLinks, *, opens: bool = False, clicks: bool = False
    ) -> None:
        """*opens* and *clicks* are what letters tell whose workflow says nothing about it."""
        # Another key than that of the links it stands beside: neither reads the other's.
        self._key = hmac.digest(key, b"followed links", "sha256")
        self._base = base
        self._wanted = {"opens": opens, "clicks": clicks}

    def content(
        self, content: Content, delivery: bytes, workflow: Workflow, recipient: Recipient
    ) -> Content:
        """Return *content* with what is to tell of *delivery*; itself where nothing is to."""
        page, base = content.fields.get("html", ""), self._base.base
        if not page or base is None or not _permits(recipient):
            return content
        wanted: Mapping[str, bool] = {**self._wanted, **workflow.tracking}
        if not any(wanted.values()):
            return content
        if wanted["clicks"]:
            page = with_followed_links(page, partial(self._url, base, delivery))
        if wanted["opens"]:
            page = with_picture(page, self._url(base, delivery, None))
        return replace(content, fields={**content.fields, "html": page})

    def read(self, token: str, target: str | None) -> Followed:
        """Return what a link says; raises `NotFound` when it is not ours."""
        raw = _decoded(token)
        head, mac = raw[:_HEAD_BYTES], raw[_HEAD_BYTES:]
        if not hmac.compare_digest(mac, self._mac(head, target)):
            raise _not_ours()
        # Only bytes with our own MAC get here, so the rest is as we wrote it.
        return Followed(head[3:], target if head[2] == _CLICKED else None)

    def _url(self, base: str, delivery: bytes, target: str | None) -> str:
        kind = _OPENED if target is None else _CLICKED
        head = bytes((_VERSION, 1, kind)) + delivery
        leads = "" if target is None else f"?to={quote(target, safe='')}"
        return f"{base}{FOLLOW_PATH}{base64url(head + self._mac(head, target))}{leads}"

    def _mac(self, head: bytes, target: str | None) -> bytes:
        text = head + (target or "").encode("utf-8", "replace")
        return hmac.new(self._key, text, hashlib.sha256).digest()[:_MAC_BYTES]


def _permits(recipient: Recipient) -> bool:
    return recipient.preferences is None or recipient.preferences.tracking is not False


def _decoded(token: str) -> bytes:
    if len(token) > _TOKEN_CHARACTERS_MAX:
        raise _not_ours()
    try:
        return read_base64url(token)
    except ValueError:
        raise _not_ours() from None


def _not_ours() -> NotFound:
    return NotFound("this link leads nowhere")
