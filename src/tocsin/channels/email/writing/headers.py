"""
Header fields, through a gate of our own.

The standard library cannot be it: Python 3.11.7 unfolds an encoded word (RFC 2047) that holds a
line break into a header of its own when it writes a message. So nothing that decodes to a control
character passes here, and what merely looks like an encoded word is encoded once more, so that it
reads as it was written.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ENCODED_WORD: Final = re.compile(r"=\?[^?\s]*\?([bBqQ])\?([^?]*)\?=")
_PLAIN_CHARACTERS_MAX: Final = 900
"""A line has at most 998 (RFC 5322, 2.1.1), the field's name included."""
_WORD_BYTES: Final = 45
"""Bytes in one encoded word: with their frame 72 characters, below the 75 of RFC 2047, 2."""
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+\Z", re.ASCII)


class BadHeader(ValueError):
    """A value that must not become a header field; never holds the value."""


def text_field(name: str, value: str) -> bytes:
    """Return the line of an unstructured field; raises `BadHeader`."""
    return f"{name}: ".encode() + _text(value) + b"\r\n"


def exact_field(name: str, value: str) -> bytes:
    """Return the line of a field that is ASCII as it stands; raises `BadHeader`."""
    check(value)
    if not value.isascii() or len(value) > _PLAIN_CHARACTERS_MAX:
        raise BadHeader(name)
    return f"{name}: {value}\r\n".encode()


def mailbox_field(name: str, display: str, address: str) -> bytes:
    """Return the line of a field with one mailbox; an address that is not ASCII stays as it is."""
    check(address)
    if any(each in '<>,;"\\ ' for each in address):
        raise BadHeader(name)
    if not display:
        return f"{name}: {address}\r\n".encode()
    if display.isascii() and "=?" not in display:
        check(display)
        escaped = display.replace("\\", "\\\\").replace('"', '\\"')
        phrase = display if _ATOMS.match(display) else f'"{escaped}"'
        return f"{name}: {phrase} <{address}>\r\n".encode()
    return f"{name}: ".encode() + _text(display) + f"\r\n <{address}>\r\n".encode()


def check(value: str) -> None:
    """Raise `BadHeader` for control characters, plain or in an encoded word."""
    if _CONTROLS.search(value) is not None:
        raise BadHeader("a control character")
    if "=?" in value and any(map(_hides_control, _ENCODED_WORD.finditer(value))):
        raise BadHeader("a control character in an encoded word")


def _hides_control(word: re.Match[str]) -> bool:
    """Any charset that mail uses keeps ASCII's control characters where they are."""
    data = word[2].encode("ascii", "replace")
    if word[1] in "qQ":
        decoded = binascii.a2b_qp(data, header=True)
    else:
        try:
            decoded = binascii.a2b_base64(data + b"=" * (-len(data) % 4))
        except binascii.Error:
            return False
    return any(byte < 0x20 or byte == 0x7F for byte in decoded)


def _text(value: str) -> bytes:
    check(value)
    if value.isascii() and "=?" not in value and len(value) <= _PLAIN_CHARACTERS_MAX:
        return value.encode()
    return b"\r\n ".join(_words(value))


def _words(value: str) -> list[bytes]:
    """Return encoded words; none ends within a character, as RFC 2047, 5 demands."""
    data = value.encode("utf-8", "replace")
    words, begin = [], 0
    while begin < len(data):
        end = min(begin + _WORD_BYTES, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        encoded = binascii.b2a_base64(data[begin:end], newline=False)
        words.append(b"=?utf-8?b?" + encoded + b"?=")
        begin = end
    return words
