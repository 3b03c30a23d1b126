"""
Who may call: API keys by their hash, recipients' tokens by their signature.

Both are answered from memory. A key that is revoked here stops at once; a revocation by another
process is seen within `FRESH_S`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Final

from tocsin.app.callers import LOCAL, Principal, principal_of
from tocsin.app.freshness import keep_fresh
from tocsin.app.tokens import TOKEN_PREFIX, Tokens
from tocsin.errors import RateLimited, Unauthenticated
from tocsin.ports.cache import Limiter
from tocsin.ports.state import ApiKey, Keys
from tocsin.ports.system import Sleep

KEY_PREFIX: Final = "tcs_"
KEY_ID_CHARACTERS: Final = 12
FRESH_S: Final = 3.0
"""Between readings of the keys: with the reading itself, a change counts within 5 s."""

FAILURES_BURST: Final = 20
FAILURES_PER_S: Final = 0.5
_KEY: Final = re.compile(r"tcs_([0-9a-f]{12})[A-Za-z0-9_-]{43}", re.ASCII)
_NOBODY: Final = bytes(32)


def key_digest(key: str) -> bytes:
    """
    Return what is stored of a key.

    A plain hash will do: the secret part is 256 random bits, so there is nothing to guess.
    """
    return hashlib.sha256(key.encode()).digest()


class Access:
    """Finds out who is calling. Safe to ask on a hot path: nothing here waits."""

    def __init__(
        self,
        keys: Keys,
        tokens: Tokens,
        limiter: Limiter,
        *,
        wall_ms: Callable[[], int],
        failures_burst: int = FAILURES_BURST,
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._limiter = limiter
        self._wall_ms = wall_ms
        self._failures_burst = failures_burst
        self._known: dict[str, tuple[ApiKey, Principal]] = {}

    async def refresh(self) -> None:
        """Read the keys anew."""
        self._known = {
            key.id: (key, principal_of(key))
            for key in await self._keys.all()
            if key.revoked_ms is None
        }

    async def follow(self, sleep: Sleep = asyncio.sleep) -> None:
        """Keep the keys fresh until cancelled. When the store is away, the last known count."""
        await keep_fresh(self.refresh, FRESH_S, sleep)

    def caller(self, authorization: bytes | None, client: str) -> Principal:
        """
        Return who sent the header *authorization* from the address *client*.

        Raises `Unauthenticated`, or `RateLimited` when *client* has tried too often. A good
        credential always counts, so that nobody is locked out by a neighbour behind one proxy.
        """
        try:
            return self._caller(authorization)
        except Unauthenticated:
            if authorization is not None:
                self._count_failure(client)
            raise

    def local(self) -> Principal:
        """Return the caller on the admin socket."""
        return LOCAL

    def token_caller(self, token: str, client: str) -> Principal:
        """Return whose *token* it is, as it comes with a socket; raises like `caller`."""
        return self.caller(b"Bearer " + token.encode("latin-1", "replace"), client)

    def _caller(self, authorization: bytes | None) -> Principal:
        if authorization is None:
            raise Unauthenticated("send Authorization: Bearer with an API key or a token")
        scheme, _, credential = authorization.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("the Authorization header must say Bearer")
        credential = credential.strip()
        if credential.startswith(TOKEN_PREFIX):
            return self._tokens.verify(credential)
        return self._key_caller(credential)

    def _key_caller(self, credential: str) -> Principal:
        shape = _KEY.fullmatch(credential)
        known = self._known.get(shape.group(1)) if shape else None
        digest = known[0].digest if known else _NOBODY
        # Compared in any case, so that time tells nothing about which ids exist.
        right = hmac.compare_digest(key_digest(credential), digest)
        if known is None or not right:
            raise Unauthenticated("the API key is not known or was revoked")
        key, principal = known
        if key.expires_ms is not None and key.expires_ms <= self._wall_ms():
            raise Unauthenticated("the API key has expired")
        return principal

    def _count_failure(self, client: str) -> None:
        wait_s = self._limiter.take(
            f"unauthenticated:{client}",
            1,
            rate_per_s=FAILURES_PER_S,
            burst=self._failures_burst,
        )
        if wait_s > 0:
            raise RateLimited(
                "too many attempts with a wrong key; wait before the next",
                retry_after_s=wait_s,
            )
