"""A browser, played: its subscription, and what it makes of a message that arrives."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tocsin.domain.json_check import UNREADABLE

_HEAD: Final = 16 + 4 + 1
_POINT: Final = 65


class Undecryptable(Exception):
    """What arrived is for nobody here; its words say why."""


class Browser:
    """
    The browser behind *endpoint*. Its keys follow from the path, so that they outlive a restart.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        seed = hashlib.sha256(b"browser" + urlsplit(endpoint).path.encode()).digest()
        self._key = ec.derive_private_key(int.from_bytes(seed) >> 1, ec.SECP256R1())
        self._auth = hashlib.sha256(b"auth" + seed).digest()[:16]
        self._public = self._key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )

    def subscription(self) -> str:
        """Return the subscription as JSON, its keys sorted."""
        keys = {"p256dh": _text(self._public), "auth": _text(self._auth)}
        whole = {"endpoint": self._endpoint, "keys": keys}
        return msgspec.json.encode(whole, order="sorted").decode()

    def decrypt(self, body: bytes) -> bytes:
        """Return the plaintext of one record (RFC 8188, 2); raises `Undecryptable`."""
        if len(body) < _HEAD or body[20] != _POINT:
            raise Undecryptable("there is no sender's key of 65 bytes")
        salt, size = body[:16], int.from_bytes(body[16:20])
        sender, sealed = body[_HEAD : _HEAD + _POINT], body[_HEAD + _POINT :]
        if len(sealed) > size:
            raise Undecryptable("there is more than one record")
        try:
            key, nonce = self._keys(salt, sender)
            padded = AESGCM(key).decrypt(nonce, sealed, None)
        except (ValueError, InvalidTag):
            raise Undecryptable("it was encrypted for other keys") from None
        text, delimiter = padded.rstrip(b"\0")[:-1], padded.rstrip(b"\0")[-1:]
        if delimiter != b"\x02":
            raise Undecryptable("the last record does not say that it is")
        return text

    def _keys(self, salt: bytes, sender: bytes) -> tuple[bytes, bytes]:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        secret = self._key.exchange(ec.ECDH(), point)
        info = b"WebPush: info\x00" + self._public + sender
        keying = HKDF(SHA256(), 32, self._auth, info).derive(secret)

        def derived(length: int, name: bytes) -> bytes:
            return HKDF(SHA256(), length, salt, b"Content-Encoding: " + name + b"\x00").derive(
                keying
            )

        return derived(16, b"aes128gcm"), derived(12, b"nonce")


def shown(plaintext: bytes) -> dict[str, str]:
    """Return what a service worker finds in a message, as texts."""
    try:
        found: Any = msgspec.json.decode(plaintext)
    except UNREADABLE:
        found = None
    if not isinstance(found, dict):
        return {"body": plaintext.decode("utf-8", "replace")}
    return {
        name: value if isinstance(value, str) else _json(value) for name, value in found.items()
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
