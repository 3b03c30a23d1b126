"""
Links by which a recipient switches a category off without logging in (RFC 8058).

The part of a link that names whom and what is, in base64url, these bytes::

    version 1 | key 1 | number 4 | channel "/" category (UTF-8) | MAC 16

The MAC is HMAC-SHA-256, cut to 128 bits, over everything before it. Nobody can make one for
somebody else, and a letter that lies around for years can still be left by: it never ends, since
leaving is all that it can do.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from tocsin.app.callers import Principal
from tocsin.app.people import People
from tocsin.domain.base64url import base64url, read_base64url
from tocsin.domain.recipient import Recipient
from tocsin.errors import NotFound

LEAVE_PATH: Final = "/u/"

_VERSION: Final = 1
_HEAD: Final = struct.Struct(">BBI")
_MAC_BYTES: Final = 16
_TOKEN_CHARACTERS_MAX: Final = 256


class Leaving(NamedTuple):
    """What is switched off: a category on a channel, for the recipient of that number."""

    number: int
    channel: str
    category: str

    def __repr__(self) -> str:
        return f"Leaving({self.channel}, {self.category})"


class LeaveLinks:
    """Makes and reads links. *base* is how the outside reaches this server, None not known yet."""

    def __init__(self, keys: Mapping[int, bytes], current: int, base: str | None) -> None:
        self._keys = dict(keys)
        self._current = current
        self._base = base

    def reached_at(self, base: str) -> None:
        """Use *base* unless another is known."""
        self._base = self._base or base

    @property
    def base(self) -> str | None:
        """How the outside reaches this server, as far as that is known."""
        return self._base

    def url(self, leaving: Leaving) -> str | None:
        """Return the link for *leaving*; None while nobody knows how we are reached."""
        if self._base is None:
            return None
        head = _HEAD.pack(_VERSION, self._current, leaving.number)
        body = head + f"{leaving.channel}/{leaving.category}".encode()
        signed = base64url(body + _mac(self._keys[self._current], body))
        return f"{self._base}{LEAVE_PATH}{signed}"

    def read(self, token: str) -> Leaving:
        """Return what the last part of a link says; raises `NotFound` when it is not ours."""
        raw = _decoded(token)
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        key = self._keys.get(body[1]) if len(body) > _HEAD.size else None
        if key is None or not hmac.compare_digest(mac, _mac(key, body)):
            raise _not_ours()
        # Only bytes with our own MAC get here, so the rest is as we wrote it.
        _, _, number = _HEAD.unpack_from(body)
        channel, _, category = body[_HEAD.size :].decode().partition("/")
        return Leaving(number, channel, category)


class Leave:
    """Does what a link says, as the recipient's own choice."""

    def __init__(self, people: People, links: LeaveLinks) -> None:
        self._people = people
        self._links = links

    def look(self, token: str) -> Leaving:
        """Return what would be switched off; raises `NotFound`."""
        return self._links.read(token)

    async def leave(self, token: str) -> Leaving:
        """
        Switch it off; nothing happens when it is off already, or the recipient is gone.

        In the journal and durable when this returns. Raises `NotFound` for what is no link of ours.
        """
        leaving = self._links.read(token)
        by = Principal(name=f"link:{leaving.number}", scopes=frozenset())
        await switch_off(self._people, by, leaving)
        return leaving


async def switch_off(people: People, by: Principal, leaving: Leaving) -> None:
    """
    Switch a category off on a channel, or all of the channel where no category is named.

    Nothing happens when it is off already, or the recipient is gone.
    """
    recipient = (await people.by_numbers([leaving.number])).get(leaving.number)
    if recipient is None or _is_off(recipient, leaving):
        return
    off = {"channels": {leaving.channel: False}}
    choice = {"categories": {leaving.category: off}} if leaving.category else off
    await people.amend_preferences(by, recipient.id, choice)


def _is_off(recipient: Recipient, leaving: Leaving) -> bool:
    chosen = recipient.preferences
    if chosen is None:
        return False
    if not leaving.category:
        return chosen.channels.get(leaving.channel) is False
    choice = chosen.categories.get(leaving.category)
    return choice is not None and choice.channels.get(leaving.channel) is False


def _decoded(token: str) -> bytes:
    if len(token) > _TOKEN_CHARACTERS_MAX:
        raise _not_ours()
    try:
        return read_base64url(token)
    except ValueError:
        raise _not_ours() from None


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")[:_MAC_BYTES]


def _not_ours() -> NotFound:
    return NotFound("this link is none of this server's, or a part of it is missing")
