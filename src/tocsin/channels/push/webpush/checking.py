"""What a push service checks of a request before it takes it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tocsin.channels.simulating_http import Request

BODY_BYTES_MAX: Final = 4_096
_DAY_MS: Final = 86_400_000
_URGENCIES: Final = frozenset({"very-low", "low", "normal", "high"})
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}\Z", re.ASCII)
_SUBJECT: Final = re.compile(r"mailto:[^@\s]+@[^@\s]+\.[^@\s]+\Z|https://[^/\s]+\.", re.ASCII)
_VAPID: Final = re.compile(
    r"vapid\s+(?:t=(?P<t>[\w.-]+)\s*,\s*k=(?P<k>[\w=-]+)|k=(?P<k2>[\w=-]+)\s*,\s*t=(?P<t2>[\w.-]+))\s*\Z",
    re.ASCII,
)


class Refusal(NamedTuple):
    """One mistake, as each service calls it."""

    generic: str
    mozilla: str
    apple: str


NO_TTL: Final = Refusal("400", "errno_111", "BadTtl")
BAD_TTL: Final = Refusal("400", "errno_112", "BadTtl")
BAD_URGENCY: Final = Refusal("400", "errno_110", "BadUrgency")
BAD_TOPIC: Final = Refusal("400", "errno_113", "BadWebPushTopic")
BAD_ENCODING: Final = Refusal("400", "errno_110", "BadWebPushRequest")
TOO_LARGE: Final = Refusal("413", "errno_104", "413")
NOT_KNOWN: Final = Refusal("401", "errno_109", "BadJwtToken")
FORGED: Final = Refusal("403", "errno_109", "BadJwtToken")
OTHER_KEY: Final = Refusal("other_key", "other_key", "VapidPkHashMismatch")


def check_headers(request: Request) -> Refusal | None:
    """Return what is wrong with TTL, urgency, topic, encoding or size."""
    headers = request.headers
    ttl, topic = headers.get("ttl"), headers.get("topic")
    if ttl is None:
        return NO_TTL
    if not (ttl.isascii() and ttl.isdigit()):
        return BAD_TTL
    if headers.get("urgency", "normal") not in _URGENCIES:
        return BAD_URGENCY
    # Base64url of whole bytes is never one longer than a multiple of four.
    if topic is not None and (_TOPIC.match(topic) is None or len(topic) % 4 == 1):
        return BAD_TOPIC
    if request.body and headers.get("content-encoding") != "aes128gcm":
        return BAD_ENCODING
    return TOO_LARGE if len(request.body) > BODY_BYTES_MAX else None


class Vapid:
    """Knows which key each browser subscribed with: the first that wrote to it."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}

    def check(self, request: Request, endpoint: str, now_ms: int | None) -> Refusal | None:
        """Return what is wrong with the header ``Authorization`` (RFC 8292); times only if given."""
        found = _VAPID.match(request.headers.get("authorization", ""))
        if found is None:
            return NOT_KNOWN
        point = _bytes(found["k"] or found["k2"])
        claims = _claims(found["t"] or found["t2"], point)
        if claims is None or not _fits(claims, endpoint, now_ms):
            return FORGED
        return None if self._keys.setdefault(endpoint, point) == point else OTHER_KEY


def _fits(claims: dict[str, Any], endpoint: str, now_ms: int | None) -> bool:
    where = urlsplit(endpoint)
    if claims.get("aud") != f"{where.scheme}://{where.netloc}":
        return False
    until, subject = claims.get("exp"), claims.get("sub")
    if not isinstance(until, int) or not isinstance(subject, str):
        return False
    if now_ms is not None and not 0 < until * 1_000 - now_ms <= _DAY_MS:
        return False
    return _SUBJECT.match(subject) is not None


def _claims(token: str, point: bytes) -> dict[str, Any] | None:
    """Return what a token says whose signature *point* made; None for any other."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    header, claims, signature = map(_bytes, parts)
    signed = ".".join(parts[:2]).encode()
    try:
        if len(signature) != 64 or msgspec.json.decode(header).get("alg") != "ES256":
            return None
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
        found: Any = msgspec.json.decode(claims)
    except (ValueError, AttributeError, InvalidSignature):
        return None
    return found if isinstance(found, dict) else None


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
