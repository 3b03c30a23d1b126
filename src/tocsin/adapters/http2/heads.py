"""
Heads of requests and answers (RFC 7541), without a memory on either side.

Nothing is put into the dynamic table, and the other side is told to keep none (a size of 0), so
that each head stands for itself: a line that comes again is looked up instead of encoded, and the
head of an answer is read only if somebody asks for more than its status.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, overload

from hpack import HPACKError

from tocsin.adapters.http2 import fields

_POST: Final = b"\x83"
_HTTPS: Final = b"\x87"
_AUTHORITY: Final = 1
_PATH: Final = 4
_LENGTH: Final = 28
AGENT: Final = b"\x0f\x2b\x06Tocsin"
"""The field that says who calls."""
_NAMES: Final = {"authorization": 23, "content-type": 31}
"""Places of names in the static table (RFC 7541, appendix A)."""
_ODD: Final = frozenset(
    (
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "",
    )
)
"""Those of one connection (RFC 9113, 8.2.2), and those that say what is said elsewhere."""

_LITERAL: Final = 0x00
_SECRET: Final = 0x10
"""Never put into a table, not by anybody on the way either (RFC 7541, 6.2.3)."""

_STATUS: Final = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
"""Statuses that are one byte: places in the static table, with the mark of a whole field."""
_STATUS_LINE: Final = re.compile(rb"HTTP/2 ([1-9][0-9]{2}) \r")
_STATUS_NAME: Final = b":status: "

_METHOD: Final = b"\x02"
_KEPT_MAX: Final = 4_096


def number(value: int, bits: int, mark: int = 0) -> bytes:
    """Return *value* in a prefix of *bits* that *mark* stands before (RFC 7541, 5.1)."""
    full = (1 << bits) - 1
    if value < full:
        return bytes((mark | value,))
    rest = value - full
    said = bytearray((mark | full,))
    while rest >= 0x80:
        said.append(0x80 | rest & 0x7F)
        rest >>= 7
    said.append(rest)
    return bytes(said)


def _text(text: bytes) -> bytes:
    return number(len(text), 7) + text


class Odd(Exception):
    """A header that is none in HTTP/2, or one that this side sets itself."""


def line(said: str) -> bytes:
    """Return a header, ``name: value``, as a field of a head; raises `Odd`."""
    name, _, value = said.partition(":")
    name, value = name.strip().lower(), value.strip()
    if name in _ODD or not value:
        raise Odd
    mark = _SECRET if name == "authorization" else _LITERAL
    place = _NAMES.get(name)
    start = number(place, 4, mark) if place else bytes((mark,)) + _text(name.encode())
    return start + _text(value.encode())


class Lines:
    """
    Makes fields of headers, and each but once where the same one comes again.

    What authorizes is held for no longer than its host is called with it: tokens are renewed.
    """

    def __init__(self) -> None:
        self._fields: dict[str, bytes] = {}
        self._secrets: dict[str, tuple[str, bytes]] = {}
        """The newest of each host, which are as few as the client has."""

    def fields(self, authority: str, headers: Sequence[str]) -> list[bytes]:
        """Return the *headers* of a request to *authority* as fields; raises `Odd`."""
        known = self._fields
        return [known.get(said) or self._field(authority, said) for said in headers]

    def _field(self, authority: str, said: str) -> bytes:
        newest = self._secrets.get(authority)
        if newest is not None and newest[0] == said:
            return newest[1]
        field = line(said)
        if field[0] & 0xF0 == _SECRET:
            self._secrets[authority] = said, field
            return field
        if len(self._fields) >= _KEPT_MAX:
            # Nearly all of them were a message's own, and the others are made again in no time.
            self._fields.clear()
        self._fields[said] = field
        return field


@lru_cache(maxsize=1_024)
def beginning(method: str, authority: str) -> bytes:
    """Return the fields that all requests of a *method* to one host begin with."""
    said = _POST if method == "POST" else _METHOD + _text(method.encode())
    return said + _HTTPS + number(_AUTHORITY, 4) + _text(authority.encode())


@lru_cache(maxsize=4_096)
def length(bytes_: int) -> bytes:
    """Return the field that says how long a body is."""
    return number(_LENGTH, 4) + _text(b"%d" % bytes_)


def path(said: str) -> bytes:
    """Return the field that says where on a host a request goes."""
    return number(_PATH, 4) + _text(said.encode())


class Head(Sequence[bytes]):
    """The lines of an answer's head, in the shape of HTTP/1, read when first looked at."""

    __slots__ = ("_block", "_lines")

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._lines: tuple[bytes, ...] | None = None

    @property
    def status(self) -> int | None:
        """The status; None for what is no head."""
        # The other side begins with having put its table away, as it was told to.
        for block in (self._block, self._block.lstrip(fields.RESIZED)):
            status = _STATUS.get(block[0]) if block else None
            if status is not None:
                return status
        found = _STATUS_LINE.match(self.lines[0]) if self.lines else None
        return int(found[1]) if found else None

    @property
    def lines(self) -> tuple[bytes, ...]:
        """All lines, or none if they cannot be read."""
        if self._lines is None:
            self._lines = _read(self._block)
        return self._lines

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        return self.lines[index]

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self.lines == tuple(other)

    def __hash__(self) -> int:
        return hash(self.lines)


def _read(block: bytes) -> tuple[bytes, ...]:
    try:
        status, *lines = fields.lines(block)
    except (HPACKError, ValueError):
        return ()
    if not status.startswith(_STATUS_NAME):
        return ()
    return (b"HTTP/2 %b \r\n" % status[len(_STATUS_NAME) : -2], *lines, b"\r\n")
