"""What a server answers (RFC 5321, 4.2), and the status in it (RFC 3463, RFC 2034)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

REPLY_BYTES_MAX: Final = 65_536

_STATUS: Final = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")


class Reply(NamedTuple):
    """One reply; ``text`` holds its lines without codes, and may hold anything, also addresses."""

    code: int
    text: str

    @property
    def status(self) -> str:
        """The enhanced status code that it begins with, or nothing."""
        found = _STATUS.match(self.text)
        return found[0] if found is not None else ""

    def __repr__(self) -> str:
        return f"Reply({self.code} {self.status})"


class BadReply(Exception):
    """What came is no reply of SMTP."""


class Replies:
    """Reads replies from the bytes of a connection, whatever pieces those come in."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[str] = []
        self._bytes = 0

    @property
    def clean(self) -> bool:
        """Whether nothing of a reply is left over."""
        return not self._rest and not self._lines

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies that *data* completes; raises `BadReply`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._bytes += len(data)
        found = []
        for line in lines:
            reply = self._line(line)
            if reply is not None:
                found.append(reply)
                self._bytes = len(self._rest)
        if self._bytes > REPLY_BYTES_MAX:
            raise BadReply
        return found

    def _line(self, line: bytes) -> Reply | None:
        code, mark = line[:3], line[3:4]
        if not code.isdigit() or mark not in {b" ", b"-", b"\r", b""} or code[:1] not in b"2345":
            raise BadReply
        text = line[4:].rstrip(b"\r").decode("utf-8", "replace")
        if mark == b"-":
            self._lines.append(text)
            return None
        if self._lines:
            text = "\n".join((*self._lines, text))
            self._lines.clear()
        return Reply(int(code), text)
