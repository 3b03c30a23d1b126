"""What Apple checks of a request before it takes it, in the order that a known mock server has."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tocsin.channels.simulating_http import Request

PAYLOAD_BYTES_MAX: Final = 4_096
_HOUR_S: Final = 3_600
_RENEWAL_S: Final = 20 * 60
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.ASCII)
_TYPES: Final = frozenset(
    {
        "alert",
        "background",
        "complication",
        "controls",
        "fileprovider",
        "liveactivity",
        "location",
        "mdm",
        "pushtotalk",
        "voip",
        "widgets",
    }
)


def check_headers(request: Request, token: str, topics: Collection[str]) -> str | None:
    """Return Apple's word for what is wrong."""
    headers = request.headers
    topic, kind = headers.get("apns-topic"), headers.get("apns-push-type", "alert")
    priority = headers.get("apns-priority", "10")
    checks = (
        (
            "BadMessageId",
            _UUID.match(headers.get("apns-id", "0" * 8 + "-0000" * 3 + "-" + "0" * 12)),
        ),
        ("MethodNotAllowed", request.method == "POST"),
        ("MissingTopic", topic),
        ("BadCollapseId", len(headers.get("apns-collapse-id", "").encode()) <= 64),
        ("BadPriority", priority in {"1", "5", "10"}),
        ("InvalidPushType", kind in _TYPES),
        ("BadPriority", kind != "background" or priority in {"1", "5"}),
        ("MissingDeviceToken", token),
        ("BadDeviceToken", len(token) % 2 == 0 and len(token) >= 64),
        ("BadExpirationDate", headers.get("apns-expiration", "0").isdigit()),
        ("TopicDisallowed", topic in topics),
    )
    return next((reason for reason, right in checks if not right), None)


def check_payload(request: Request, payload: Mapping[str, Any]) -> str | None:
    """Return Apple's word for what is wrong."""
    if not request.body or not payload:
        return "PayloadEmpty"
    return "PayloadTooLarge" if len(request.body) > PAYLOAD_BYTES_MAX else None


class Tokens:
    """Knows one key, and which tokens each connection has shown."""

    def __init__(self, private_key: str, key_id: str, team_id: str) -> None:
        number = int.from_bytes(_bytes(private_key))
        self._key = ec.derive_private_key(number, ec.SECP256R1()).public_key()
        self._key_id = key_id
        self._team_id = team_id
        self._shown: dict[int, tuple[str, int]] = {}
        self.other_environment: str | None = None
        """What is said, in one of Apple's two spellings, where the key is for the other one."""

    def check(self, request: Request, now_ms: int | None) -> str | None:
        """Return Apple's word for what is wrong with the token; times only if given."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "MissingProviderToken"
        header, claims = self._read(token)
        if request.connection in self._shown and header.get("kid", self._key_id) != self._key_id:
            return "UnrelatedKeyIdInToken"
        if header.get("kid") != self._key_id or claims.get("iss") != self._team_id:
            return "InvalidProviderToken"
        issued_s = claims.get("iat")
        if not isinstance(issued_s, int):
            return "InvalidProviderToken"
        if self.other_environment is not None:
            return self.other_environment
        if now_ms is not None and abs(now_ms // 1_000 - issued_s) > _HOUR_S:
            return "ExpiredProviderToken"
        return self._changed(request.connection, token, issued_s)

    def _changed(self, connection: int, token: str, issued_s: int) -> str | None:
        before, before_s = self._shown.get(connection, (token, issued_s))
        if token != before and abs(issued_s - before_s) < _RENEWAL_S:
            return "TooManyProviderTokenUpdates"
        self._shown[connection] = (token, issued_s)
        return None

    def _read(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        parts = token.split(".")
        if len(parts) != 3:
            return {}, {}
        header, claims, signature = map(_bytes, parts)
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        signed = f"{parts[0]}.{parts[1]}".encode()
        try:
            self._key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
            return msgspec.json.decode(header), msgspec.json.decode(claims)
        except (InvalidSignature, ValueError):
            return {}, {}


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
