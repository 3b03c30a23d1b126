"""Message encryption for Web Push (RFC 8291), in one record of aes128gcm (RFC 8188)."""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RECORD_BYTES: Final = 4_096
"""The record size that is announced; what a push service must take (RFC 8030, 7.2)."""

_CURVE: Final = ec.SECP256R1()
_SHA256: Final = SHA256()
_LAST: Final = b"\x02"
_EXPANDED: Final = b"\x01"
_CEK: Final = b"Content-Encoding: aes128gcm\0" + _EXPANDED
_NONCE: Final = b"Content-Encoding: nonce\0" + _EXPANDED
_WEB_PUSH: Final = b"WebPush: info\0"
_SIZES: Final = RECORD_BYTES.to_bytes(4) + bytes([65])


def encrypt(plaintext: bytes, public: bytes, auth: bytes) -> bytes:
    """
    Return the body for whom *public* (65 bytes, an uncompressed point) and *auth* belong to.

    A key is made for each message (RFC 8291, 3.1). Raises ValueError for what is no point of the
    curve.
    """
    return encrypt_with(
        plaintext, public, auth, ec.generate_private_key(_CURVE), secrets.token_bytes(16)
    )


def encrypt_with(
    plaintext: bytes, public: bytes, auth: bytes, key: ec.EllipticCurvePrivateKey, salt: bytes
) -> bytes:
    """Return the body by a *key* and a *salt* that must never be used for another one."""
    receiver = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, public)
    own = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = key.exchange(ec.ECDH(), receiver)
    # HKDF (RFC 5869) with outputs of one block is an HMAC for each step.
    extracted = _hmac(auth, shared)
    keying = _hmac(extracted, _WEB_PUSH + public + own + _EXPANDED)
    pseudo = _hmac(salt, keying)
    content_key = _hmac(pseudo, _CEK)[:16]
    nonce = _hmac(pseudo, _NONCE)[:12]
    sealed = AESGCM(content_key).encrypt(nonce, plaintext + _LAST, None)
    return salt + _SIZES + own + sealed


def _hmac(key: bytes, message: bytes) -> bytes:
    # The standard library's would let another thread run in between, five times for each message.
    made = HMAC(key, _SHA256)
    made.update(message)
    return made.finalize()
