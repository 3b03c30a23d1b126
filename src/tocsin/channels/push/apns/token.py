"""
The token that proves to Apple who sends.

Apple takes one for an hour, and wants no other one within 20 minutes. It follows from the key and
from the time alone, so that all who send with one key send the same token without asking each
other: one is made for each 50 minutes since 1970, and its signature is deterministic (RFC 6979).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from tocsin.channels.push.parts.jws import es256

PERIOD_S: Final = 50 * 60


class ProviderToken:
    """Makes the header ``authorization``, anew only when its time is over."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        key_id: str,
        team_id: str,
        wall_ms: Callable[[], int],
    ) -> None:
        self._key = key
        self._header = {"alg": "ES256", "kid": key_id}
        self._team_id = team_id
        self._wall_ms = wall_ms
        self._period = -1
        self._line = ""

    def header(self) -> str:
        """Return the line for a call that is made now."""
        period = self._wall_ms() // 1_000 // PERIOD_S
        if period != self._period:
            claims = {"iss": self._team_id, "iat": period * PERIOD_S}
            self._line = f"authorization: bearer {es256(self._header, claims, self._key)}"
            self._period = period
        return self._line
