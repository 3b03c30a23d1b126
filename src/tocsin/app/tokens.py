"""
Tokens for recipients' browsers and apps: signed, short-lived, verified without I/O.

A token is ``tct_`` and, in base64url, these bytes::

    version 1 | key 1 | scopes 1 | number 4 | issued ms 6 | expires ms 6 | id (UTF-8) | MAC 16

The MAC is HMAC-SHA-256, cut to 128 bits, over everything before it. ``key`` names the signing key,
so that keys can be changed while tokens of the last one still count.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tocsin.app.callers import TOKEN_SCOPES, Principal, Scope
from tocsin.domain.base64url import base64url, read_base64url
from tocsin.errors import Unauthenticated

TOKEN_PREFIX: Final = "tct_"
TOKEN_MS_MAX: Final = 30 * 86_400_000
_TOKEN_CHARACTERS_MAX: Final = 2_048
_VERSION: Final = 1
_HEAD: Final = struct.Struct(">BBBI6s6s")
_MAC_BYTES: Final = 16

_SCOPES_OF_BITS: Final = tuple(
    frozenset(scope for bit, scope in enumerate(TOKEN_SCOPES) if bits >> bit & 1)
    for bits in range(1 << len(TOKEN_SCOPES))
)


class Tokens:
    """
    Mints and verifies.

    *wall_ms* is real time: a sandbox that moves its clock does not end its users' sessions.
    """

    def __init__(
        self, keys: Mapping[int, bytes], current: int, *, wall_ms: Callable[[], int]
    ) -> None:
        self._keys = dict(keys)
        self._current = current
        self._wall_ms = wall_ms
        self._ended: dict[int, int] = {}

    def mint(
        self, number: int, recipient_id: str, scopes: Iterable[Scope], *, lives_ms: int
    ) -> tuple[str, int]:
        """Return a token and the time at which it ends, in ms."""
        now_ms = self._wall_ms()
        expires_ms = now_ms + min(lives_ms, TOKEN_MS_MAX)
        bits = sum(1 << TOKEN_SCOPES.index(scope) for scope in set(scopes))
        body = (
            _HEAD.pack(
                _VERSION,
                self._current,
                bits,
                number,
                now_ms.to_bytes(6, "big"),
                expires_ms.to_bytes(6, "big"),
            )
            + recipient_id.encode()
        )
        return TOKEN_PREFIX + base64url(body + _mac(self._keys[self._current], body)), expires_ms

    def verify(self, token: str) -> Principal:
        """Return whose token it is; raises `Unauthenticated`."""
        body = self._signed(token)
        _, _, bits, number, issued, expires = _HEAD.unpack_from(body)
        now_ms = self._wall_ms()
        if int.from_bytes(expires, "big") <= now_ms:
            raise Unauthenticated("the token has expired; ask your backend for a new one")
        if self._ended and int.from_bytes(issued, "big") <= self._ended.get(number, -1):
            raise Unauthenticated("the token is no longer valid")
        return Principal(
            name=f"recipient:{number}",
            scopes=_SCOPES_OF_BITS[bits],
            recipient=number,
            recipient_id=body[_HEAD.size :].decode(),
            expires_ms=int.from_bytes(expires, "big"),
        )

    def end(self, numbers: Iterable[int]) -> None:
        """
        Refuse every token that *numbers* got until now: for erasure, and at start for those erased
        within the longest life of a token.
        """
        now_ms = self._wall_ms()
        gone_ms = now_ms - TOKEN_MS_MAX
        self._ended = {n: at_ms for n, at_ms in self._ended.items() if at_ms > gone_ms}
        self._ended.update((number, now_ms) for number in numbers)

    def _signed(self, token: str) -> bytes:
        raw = _decode(token)
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        key = self._keys.get(body[1]) if len(body) >= _HEAD.size else None
        if key is None or not hmac.compare_digest(mac, _mac(key, body)):
            raise Unauthenticated("the token is not one of this server's")
        # Only bytes with our own MAC get here, so version and scopes are ones that we wrote.
        return body


def _decode(token: str) -> bytes:
    text = token[len(TOKEN_PREFIX) :]
    if len(text) > _TOKEN_CHARACTERS_MAX:
        raise Unauthenticated("the token is not one of this server's")
    try:
        return read_base64url(text)
    except ValueError:
        raise Unauthenticated("the token is not one of this server's") from None


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")[:_MAC_BYTES]
