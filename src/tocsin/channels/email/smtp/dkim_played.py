"""
What a server makes of the signatures of a letter that it was handed (RFC 6376; RFC 8463).

Nothing here is shared with what signs. Keys are looked up where the server's owner has put them: a
sandbox asks no DNS.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

_NAME: Final = b"dkim-signature"
_ALGORITHMS: Final = frozenset({"rsa-sha256", "ed25519-sha256"})
_MADE: Final = re.compile(rb"([;:]\s*b\s*=)[^;]*")
"""The signature in its own field, which is signed without it (3.7)."""

Field = tuple[bytes, bytes]
"""A name in lower case, and the whole field as it came, without its last CRLF."""


class _Wrong(Exception):
    """Why a signature is not believed, as its words say."""


def verdict(letter: bytes, records: Mapping[str, str]) -> str | None:
    """
    Return what each signature of *letter* is worth, as RFC 8601 writes it; None where it has none.

    *records* are texts of DNS by their names, such as ``news._domainkey.example.com``.
    """
    head, _, body = letter.partition(b"\r\n\r\n")
    if _NAME not in head.lower():
        return None
    fields = [
        (each.partition(b":")[0].strip().lower(), each)
        for each in re.split(rb"\r\n(?![ \t])", head)
    ]
    signatures = [each for each in fields if each[0] == _NAME]
    if not signatures:
        return None
    return "; ".join(_verdict(each, fields, body, records) for each in signatures)


def _verdict(
    signature: Field, fields: Sequence[Field], body: bytes, records: Mapping[str, str]
) -> str:
    tags = _tags(signature[1].partition(b":")[2])
    about = f"header.d={tags.get('d', '')} header.s={tags.get('s', '')}"
    try:
        _check(signature, tags, fields, body, records)
    except _Wrong as why:
        return f"{why} {about}"
    return f"pass {about}"


def _check(
    signature: Field,
    tags: Mapping[str, str],
    fields: Sequence[Field],
    body: bytes,
    records: Mapping[str, str],
) -> None:
    if tags.get("v") != "1" or tags.get("a") not in _ALGORITHMS:
        raise _Wrong("permerror (version or algorithm)")
    names = [each.strip().lower().encode() for each in tags.get("h", "").split(":")]
    _check_covered(names, fields)
    of_head, _, of_body = tags.get("c", "simple/simple").partition("/")
    content = hashlib.sha256(_body(body, relaxed=of_body == "relaxed")).digest()
    if content != _decoded(tags.get("bh", "")):
        raise _Wrong("fail (the body was changed)")
    relaxed = of_head == "relaxed"
    own = _MADE.sub(rb"\1", signature[1])
    covered = b"".join(_field(each, relaxed=relaxed) + b"\r\n" for each in _picked(names, fields))
    digest = hashlib.sha256(covered + _field((_NAME, own), relaxed=relaxed)).digest()
    record = records.get(f"{tags.get('s')}._domainkey.{tags.get('d')}")
    if record is None:
        raise _Wrong("permerror (no key for signature)")
    _verify(_decoded(_tags(record.encode()).get("p", "")), _decoded(tags.get("b", "")), digest)


def _check_covered(names: Sequence[bytes], fields: Sequence[Field]) -> None:
    """What must be signed: the sender (5.4), and where a letter is left by one click (RFC 8058)."""
    if b"from" not in names:
        raise _Wrong("permerror (From is not signed)")
    there = {name for name, _ in fields}
    for name in (b"list-unsubscribe", b"list-unsubscribe-post"):
        if name in there and name not in names:
            raise _Wrong(f"policy ({name.decode()} is not signed)")


def _verify(key: bytes, made: bytes, digest: bytes) -> None:
    try:
        if len(key) == 32:
            Ed25519PublicKey.from_public_bytes(key).verify(made, digest)
            return
        public = load_der_public_key(key)
        if not isinstance(public, RSAPublicKey):
            raise _Wrong("permerror (no key for signature)")
        public.verify(made, digest, PKCS1v15(), Prehashed(SHA256()))
    except (ValueError, UnsupportedAlgorithm):
        raise _Wrong("permerror (no key for signature)") from None
    except InvalidSignature:
        raise _Wrong("fail (signature did not verify)") from None


def _picked(names: Sequence[bytes], fields: Sequence[Field]) -> Sequence[Field]:
    """Return the fields that were signed: of one name the last first (5.4.2)."""
    left: dict[bytes, list[Field]] = {}
    for each in fields:
        left.setdefault(each[0], []).append(each)
    return [left[name].pop() for name in names if left.get(name)]


def _field(field: Field, *, relaxed: bool) -> bytes:
    """Return a field as it is signed (3.4.1, 3.4.2), without a CRLF at its end."""
    name, whole = field
    if not relaxed:
        return whole
    value = whole.partition(b":")[2].replace(b"\r\n", b"")
    return name + b":" + re.sub(rb"[ \t]+", b" ", value).strip()


def _body(body: bytes, *, relaxed: bool) -> bytes:
    """Return a body as it is signed (3.4.3, 3.4.4)."""
    if relaxed:
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
        body = b"\r\n".join(lines)
    body = body.rstrip(b"\r\n")
    return body + b"\r\n" if body or not relaxed else b""


def _tags(value: bytes) -> dict[str, str]:
    """Return a list of tags (3.2)."""
    pairs = (each.partition(b"=") for each in value.split(b";"))
    return {
        name.strip().decode("latin-1"): re.sub(rb"\s+", b"", given).decode("latin-1")
        for name, _, given in pairs
    }


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
