"""Signatures that anybody can check who has the public key."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Ed25519Prover:
    """Fills `tocsin.ports.cache.Prover`."""

    def __init__(self, secret: bytes) -> None:
        """*secret* has 32 bytes and is the private key."""
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, text: bytes) -> bytes:
        """Sign as RFC 8032 says."""
        return self._key.sign(text)
