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
        self._chance = chance
        self._ciphers = _ciphers_of(keys)
        self._newest = next(iter(self._ciphers.items()))
        self._digest_key = _digest_key(keys)

    def take(self, keys: Sequence[bytes]) -> None:
        """
        Seal with the first of *keys* from now on, and open what any of them has sealed.

        Keys that are not among them open until the process ends: what was read before may still
        be in hand. Raises `ValueError` when digests would be others.
        """
        ciphers = _ciphers_of(keys)
        if _digest_key(keys) != self._digest_key:
            raise ValueError("the last key stays the last, since digests are made with it")
        self._ciphers = self._ciphers | ciphers
        self._newest = next(iter(ciphers.items()))

    def seal(self, value: str, *, place: str) -> bytes:
        """Encrypt with the newest key."""
        # Read once, since `take` may come from another thread.
        id, cipher = self._newest
        nonce = self._chance.bytes(_NONCE_BYTES)
        head = _FORMAT + id + nonce
        return head + cipher.encrypt(nonce, value.encode(), head + place.encode())

    def newest(self, sealed: bytes) -> bool:
        """Return whether the key that seals now has sealed this."""
        return sealed[_ID] == self._newest[0]

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


def _ciphers_of(keys: Sequence[bytes]) -> dict[bytes, AESGCM]:
    if not keys or any(len(key) < KEY_BYTES for key in keys):
        raise ValueError(f"a key for sealing has at least {KEY_BYTES} bytes")
    return {
        _derive(key, b"tocsin seal id", 4): AESGCM(_derive(key, b"tocsin seal", 32)) for key in keys
    }


def _digest_key(keys: Sequence[bytes]) -> bytes:
    return _derive(keys[-1], b"tocsin digest", 32)


def _derive(key: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(key)
