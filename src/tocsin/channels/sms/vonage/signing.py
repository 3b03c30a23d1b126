"""How Vonage signs: the fields in their order, and a secret."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal

Method = Literal["md5hash", "md5", "sha1", "sha256", "sha512"]


def signature(fields: Mapping[str, str], secret: str, method: Method) -> str:
    """
    Return the signature of *fields*, of which ``sig`` does not count, in hex.

    What would divide fields is replaced in their values, so that none can pretend to be several.
    """
    text = "".join(
        f"&{name}={value.replace('&', '_').replace('=', '_')}"
        for name, value in sorted(fields.items())
        if name != "sig"
    )
    if method == "md5hash":
        return hashlib.md5((text + secret).encode()).hexdigest()  # noqa: S324  # Vonage's own
    return hmac.new(secret.encode(), text.encode(), method).hexdigest()


def is_signed(fields: Mapping[str, str], secret: str, method: Method) -> bool:
    """Return whether ``sig`` is the signature of the other fields."""
    given = fields.get("sig", "").lower().encode("utf-8", "replace")
    return hmac.compare_digest(given, signature(fields, secret, method).encode())
