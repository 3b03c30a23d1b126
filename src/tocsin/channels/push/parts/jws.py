"""Signed tokens (JWS in its compact form, RFC 7515) of the algorithm ES256 (RFC 7518, 3.4)."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def base64url(data: bytes) -> str:
    """Return *data* without padding (RFC 7515, appendix C)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def read_base64url(text: str) -> bytes:
    """Return the bytes of *text*, with padding or without; raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def read_p256_key(text: str) -> ec.EllipticCurvePrivateKey:
    """
    Return a private key on the curve P-256, from PEM or as 32 bytes in base64url.

    Raises ValueError without the text.
    """
    if "-----BEGIN" in text:
        key = load_pem_private_key(text.encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.key_size != 256:
            raise ValueError("is no key on the curve P-256")
        return key
    number = int.from_bytes(read_base64url(text))
    return ec.derive_private_key(number, ec.SECP256R1())


def es256(
    header: Mapping[str, object], claims: Mapping[str, object], key: ec.EllipticCurvePrivateKey
) -> str:
    """Return the token that says *claims*."""
    signed = f"{_part(header)}.{_part(claims)}"
    r, s = decode_dss_signature(
        key.sign(signed.encode(), ec.ECDSA(SHA256(), deterministic_signing=True))
    )
    return f"{signed}.{base64url(r.to_bytes(32) + s.to_bytes(32))}"


def _part(value: Mapping[str, object]) -> str:
    return base64url(msgspec.json.encode(value))
