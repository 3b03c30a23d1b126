"""
Signatures of letters by the domain that sends them (RFC 6376; RFC 8463 for Ed25519).

Canonicalised ``relaxed/simple``: servers on the way fold and respace headers, but have no reason to
touch bodies as they are written here, in short lines of ASCII without spaces at their ends. The
library that checks these signatures in tests takes ten times as long to make one.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

RSA_BITS_MIN: Final = 1_024
"""Below it nobody may believe a signature (RFC 8301, 3.2)."""

# Those of RFC 6376, 5.4.1 that letters have here. RFC 8058, 4 wants both of List-Unsubscribe.
_SIGNED: Final = (
    b"from",
    b"to",
    b"subject",
    b"date",
    b"message-id",
    b"reply-to",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"auto-submitted",
    b"list-id",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
)
_ONCE: Final = (b"from", b"to", b"subject", b"list-unsubscribe", b"list-unsubscribe-post")
"""Named once more than they are there, so that another one breaks the signature (8.15)."""
_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")
_SPACES: Final = re.compile(rb"[ \t]+")
_LINE_BYTES: Final = 72


class BadKey(ValueError):
    """What should be a private key for signing is none."""


class DkimKey(NamedTuple):
    """One signature: its key, and the record of DNS (``selector._domainkey.domain``) that fits."""

    domain: str
    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"DkimKey({self.selector}._domainkey.{self.domain})"

    @property
    def algorithm(self) -> bytes:
        """Its name in the signature."""
        return b"rsa-sha256" if isinstance(self.private, RSAPrivateKey) else b"ed25519-sha256"

    def sign(self, digest: bytes) -> bytes:
        """Sign a SHA-256 digest."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(digest, PKCS1v15(), Prehashed(SHA256()))
        return self.private.sign(digest)


def read_key(pem: bytes, domain: str, selector: str) -> DkimKey:
    """Return the key in *pem*; raises `BadKey` without saying what it holds."""
    try:
        private = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKey("it is no private key in PEM without a password") from None
    if isinstance(private, RSAPrivateKey):
        if private.key_size < RSA_BITS_MIN:
            raise BadKey(f"an RSA key needs {RSA_BITS_MIN} bits or more")
    elif not isinstance(private, Ed25519PrivateKey):
        raise BadKey("only RSA and Ed25519 sign letters")
    return DkimKey(domain, selector, private)


def signed(letter: bytes, keys: Sequence[DkimKey], now_s: int) -> bytes:
    """Return *letter*, whose lines end with CRLF, with a signature by each of *keys* before it."""
    head, _, body = letter.partition(b"\r\n\r\n")
    fields = _fields(head)
    names = _names(fields)
    covered = b"".join(_covered(fields, names))
    content = base64.b64encode(hashlib.sha256(body.rstrip(b"\r\n") + b"\r\n").digest())
    lines = [_signature(key, covered, names, content, now_s) for key in keys]
    return b"".join((*lines, letter))


def _fields(head: bytes) -> dict[bytes, list[bytes]]:
    """Return header fields as they are signed, by name, those of one name in their order."""
    found: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for line in _FOLD.sub(b"", head).split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        found[name].append(name + b":" + _SPACES.sub(b" ", value).strip() + b"\r\n")
    return found


def _names(fields: dict[bytes, list[bytes]]) -> Sequence[bytes]:
    names: list[bytes] = []
    for name in _SIGNED:
        count = len(fields.get(name, ()))
        names += [name] * (count + (name in _ONCE))
    return names


def _covered(fields: dict[bytes, list[bytes]], names: Sequence[bytes]) -> Sequence[bytes]:
    """Return what is signed of *names*, of one name the last first (5.4.2)."""
    left = {name: list(lines) for name, lines in fields.items()}
    return [left[name].pop() for name in names if left.get(name)]


def _signature(
    key: DkimKey, covered: bytes, names: Sequence[bytes], content: bytes, now_s: int
) -> bytes:
    parts = [
        b"v=1; a=%b; c=relaxed/simple;" % key.algorithm,
        b"d=%b; s=%b; t=%d;" % (key.domain.encode(), key.selector.encode(), now_s),
        *_folded(b"h=" + b":".join(names) + b";"),
        b"bh=%b;" % content,
        b"b=",
    ]
    own = b"dkim-signature:" + b" ".join(parts)
    made = base64.b64encode(key.sign(hashlib.sha256(covered + own).digest()))
    lines = [made[at : at + _LINE_BYTES] for at in range(0, len(made), _LINE_BYTES)]
    return b"DKIM-Signature: " + b"\r\n ".join(parts) + b"\r\n ".join(lines) + b"\r\n"


def _folded(names: bytes) -> Sequence[bytes]:
    """Return a list of names in lines; a fold may stand behind its colons (3.5)."""
    lines = [b""]
    for name in names.split(b":"):
        if len(lines[-1]) + len(name) > _LINE_BYTES:
            lines.append(b"")
        lines[-1] += name + b":"
    lines[-1] = lines[-1].removesuffix(b":")
    return lines
