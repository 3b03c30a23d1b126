"""
Signatures of Standard Webhooks: a secret's form, and what a receiver checks.

The signed text is ``{id}.{timestamp}.{body}``, the signature HMAC-SHA256 in base64 behind ``v1,``.
While a secret is changed there are several of both, separated by a space.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error
from functools import lru_cache
from typing import Final

from tocsin.errors import RequestRefused

SECRET_PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
SECRET_BYTES_MIN: Final = 24
SECRET_BYTES_MAX: Final = 64
SECRETS_MAX: Final = 2
"""The one that holds and the one before."""


def new_secret(chance: bytes) -> str:
    """Return the printed form of a secret of these bytes."""
    return SECRET_PREFIX + b64encode(chance).decode()


def check_secrets(text: str) -> str:
    """Return one or several secrets as they came; raises `RequestRefused` without their value."""
    secrets = text.split(" ")
    if len(secrets) > SECRETS_MAX or not all(_is_secret(each) for each in secrets):
        raise RequestRefused(
            f"must be {SECRET_PREFIX} and the base64 of {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX}"
            " bytes; while it is changed, the new one, a space and the old one",
            code="invalid_secret",
        )
    return text


def signatures(secrets: str, id: str, timestamp_s: int, body: bytes) -> str:
    """Return the header ``webhook-signature`` for secrets that `check_secrets` took."""
    signed = b"%b.%d.%b" % (id.encode(), timestamp_s, body)
    found = []
    for secret in secrets.split(" "):
        keyed = _keyed(secret).copy()
        keyed.update(signed)
        found.append("v1," + b64encode(keyed.digest()).decode())
    return " ".join(found)


def _is_secret(text: str) -> bool:
    if not text.startswith(SECRET_PREFIX):
        return False
    try:
        key = b64decode(text[len(SECRET_PREFIX) :], validate=True)
    except (Error, ValueError):
        return False
    return SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX


# Kept with its key worked in, which is half of the work, and copied: unlike `hmac.digest` that does
# not give the interpreter away for a text of a page, and getting it back takes longer than this.
@lru_cache(maxsize=4_096)
def _keyed(secret: str) -> hmac.HMAC:
    if _is_secret(secret):
        return hmac.new(b64decode(secret[len(SECRET_PREFIX) :]), digestmod="sha256")
    # Secrets of any form were taken once; such a text is its own key.
    return hmac.new(secret.encode(), digestmod="sha256")
