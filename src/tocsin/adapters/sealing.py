"""
Encryption at rest: AES-256-GCM under keys that are not in the store.

A sealed value is ``format (1) | key id (4) | nonce (12) | ciphertext and tag``. The nonces are
random, so one key is good for about four thousand million values (NIST SP 800-38D, 8.3); then, or
when a key may be known, a new one goes in front.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tocsin.errors import TocsinError, Unavailable
from tocsin.ports.system import Chance

KEY_BYTES: Final = 32
"""The least that a given key has; more is used, too."""

_FORMAT: Final = b"\x01"
_ID: Final = slice(1, 5)
_NONCE: Final = slice(5, 17)
_NONCE_BYTES: Final = 12
_HEAD_BYTES: Final = 17
_DIGEST_BYTES: Final = 16


class SealBroken(TocsinError):
    """A sealed value was altered, or lies where another one belongs."""

    code = "seal_broken"
    title = "A stored secret cannot be opened"


class AesSealer:
    """
    Fills `tocsin.ports.cache.Sealer`.

    *keys* are the given secrets, the newest first: it seals, all open. Digests are made with the
    last one, since equal values must keep equal digests when a key is added; whoever removes the
    last key computes all digests anew.
    """

    def __init__(self, keys: Sequence[bytes], chance: Chance) -> None:
        """Derive what is used from the keys (HKDF, RFC 5869); they are not kept."""
        if not keys or any(len(key) < KEY_BYTES for key in keys):
            raise ValueError(f"a key for sealing has at least {KEY_BYTES} bytes")
        self._chance = chance
        self._ciphers = {
            _derive(key, b"tocsin seal id", 4): AESGCM(_derive(key, b"tocsin seal", 32))
            for key in keys
        }
        self._newest = next(iter(self._ciphers))
        self._digest_key = _derive(keys[-1], b"tocsin digest", 32)

    def seal(self, value: str, *, place: str) -> bytes:
        """Encrypt with the newest key."""
        nonce = self._chance.bytes(_NONCE_BYTES)
        head = _FORMAT + self._newest + nonce
        return head + self._ciphers[self._newest].encrypt(
            nonce, value.encode(), head + place.encode()
        )

    def open(self, sealed: bytes, *, place: str) -> str:
        """Decrypt with the key that the value names; raises `SealBroken` if it does not fit."""
        head = sealed[:_HEAD_BYTES]
        cipher = self._ciphers.get(sealed[_ID])
        if cipher is None:
            raise Unavailable("the key that a stored secret was sealed with is not configured")
        try:
            opened = cipher.decrypt(sealed[_NONCE], sealed[_HEAD_BYTES:], head + place.encode())
        except (InvalidTag, ValueError):
            raise SealBroken("a stored secret was altered or moved to another place") from None
        return opened.decode()

    def digest(self, value: str, *, place: str) -> bytes:
        """Return a keyed BLAKE2b hash of the place and the value."""
        digest = hashlib.blake2b(digest_size=_DIGEST_BYTES, key=self._digest_key)
        # The length keeps a place and a value apart from another pair that reads the same.
        encoded = place.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded + value.encode())
        return digest.digest()


def _derive(key: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(key)
