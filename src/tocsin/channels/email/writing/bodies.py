"""Text as the body of a part: quoted-printable, or base64 where that is shorter (RFC 2045, 6)."""

from __future__ import annotations

import binascii
from typing import Final, Literal

Encoding = Literal["quoted-printable", "base64"]

_ASCII: Final = bytes(range(128))
_LINE_BYTES: Final = 57
_GROUP_BYTES: Final = 3


def encoding_for(text: str) -> Encoding:
    """
    Return the encoding that makes less of *text*.

    Neither can hold ``=_``, so a boundary with that is never met in a body.
    """
    raw = text.encode("utf-8", "replace")
    return "base64" if len(raw.translate(None, _ASCII)) > len(raw) // 6 else "quoted-printable"


def encode(piece: str, encoding: Encoding) -> bytes:
    """
    Return *piece*, its lines ended by ``\\n``, as lines of at most 76 characters ended by CRLF.

    Pieces that were encoded one by one may be put after one another: each ends its last line, and
    in base64 spaces before that make it whole groups.
    """
    raw = piece.rstrip("\n").replace("\n", "\r\n").encode("utf-8", "replace")
    if encoding == "quoted-printable":
        # With its end: the encoder looks at the first one for what all look like.
        return binascii.b2a_qp(raw + b"\r\n")
    raw += b" " * (-(len(raw) + 2) % _GROUP_BYTES) + b"\r\n"
    begins = range(0, len(raw), _LINE_BYTES)
    lines = [binascii.b2a_base64(raw[at : at + _LINE_BYTES], newline=False) for at in begins]
    return b"\r\n".join(lines) + b"\r\n"
