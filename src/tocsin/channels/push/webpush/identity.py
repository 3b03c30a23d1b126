"""Who we are to push services: VAPID (RFC 8292)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tocsin.channels.push.parts.jws import base64url, es256

_VALID_S: Final = 12 * 3_600
"""Half of what is allowed, so that clocks may differ."""
_RENEWED_S: Final = 6 * 3_600
"""Apple asks for the same token for an hour at least."""
_ORIGINS_MAX: Final = 1_024
_HEADER: Final = {"typ": "JWT", "alg": "ES256"}


class Identity:
    """Makes the header ``Authorization``, one for each push service, and keeps it for hours."""

    def __init__(
        self, key: ec.EllipticCurvePrivateKey, subject: str, wall_ms: Callable[[], int]
    ) -> None:
        self._key = key
        self._subject = subject
        self._wall_ms = wall_ms
        self.public_key = base64url(
            key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        )
        """What browsers subscribe with (``applicationServerKey``)."""
        self._made: dict[str, tuple[int, str]] = {}

    def header(self, origin: str) -> str:
        """Return the line for the push service at *origin* (``https://host``, RFC 6454)."""
        now_s = self._wall_ms() // 1_000
        renewed_s, line = self._made.get(origin, (0, ""))
        if now_s >= renewed_s:
            if len(self._made) >= _ORIGINS_MAX:
                # Browsers say what their push service is, so there is no end to them.
                self._made.clear()
            line = self._line(origin, now_s)
            self._made[origin] = (now_s + _RENEWED_S, line)
        return line

    def _line(self, origin: str, now_s: int) -> str:
        claims = {"aud": origin, "exp": now_s + _VALID_S, "sub": self._subject}
        return f"authorization: vapid t={es256(_HEADER, claims, self._key)},k={self.public_key}"
