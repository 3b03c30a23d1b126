"""Bytes in what is copied and pasted: base64url without padding (RFC 4648, section 5)."""

from __future__ import annotations

import base64


def base64url(raw: bytes) -> str:
    """Return *raw* as text."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_base64url(text: str) -> bytes:
    """
    Return the bytes of *text*.

    Several texts decode to the same bytes; only the one that `base64url` writes is taken. Raises
    ``ValueError`` for any other.
    """
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if base64url(raw) != text:
        raise ValueError("not as it was written")
    return raw
