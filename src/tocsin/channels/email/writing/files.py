"""Files as parts of a letter (RFC 2045, 2183, 2231)."""

from __future__ import annotations

import binascii
from typing import Final
from urllib.parse import quote

from tocsin.channels.email.writing.headers import check
from tocsin.ports.message import Attachment

FILE: Final = b"\x00file\x00"
"""Stands before each part until it is known what separates them; nothing else holds such bytes."""

_LINE_BYTES: Final = 57


def encoded_file(file: Attachment) -> bytes:
    """Return *file* as a part, `FILE` before it; raises `BadHeader`."""
    for each in (file.content_type, file.name, file.content_id or ""):
        check(each)
    shown = "attachment" if file.content_id is None else "inline"
    lines = [
        f"Content-Type: {file.content_type}",
        f"Content-Disposition: {shown};\r\n {_named(file.name)}",
        "Content-Transfer-Encoding: base64",
    ]
    if file.content_id is not None:
        lines.append(f"Content-ID: <{file.content_id}>")
    head = "\r\n".join(lines).encode("ascii", "replace")
    data = memoryview(file.data)
    begins = range(0, len(data), _LINE_BYTES)
    body = b"\r\n".join(
        binascii.b2a_base64(data[at : at + _LINE_BYTES], newline=False) for at in begins
    )
    return b"".join((FILE, head, b"\r\n\r\n", body))


def _named(name: str) -> str:
    if name.isascii():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'filename="{escaped}"'
    return f"filename*=utf-8''{quote(name, safe='')}"
