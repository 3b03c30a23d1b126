"""What a played vendor was sent: lines that are only appended, and an index of them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec

from tocsin.errors import NotFound
from tocsin.ports.simulator import Received

_FORGOTTEN_SHARE: Final = 4
"""A full mailbox forgets this part of itself at once, since that rewrites its file."""


class _Entry(NamedTuple):
    offset: int
    length: int
    to: str
    reference: str
    received_ms: int


class _Lines(Protocol):
    def append(self, line: bytes) -> None: ...
    def read(self, offset: int, length: int) -> bytes: ...
    def all(self) -> bytes: ...
    def replace(self, lines: bytes) -> None: ...
    def close(self) -> None: ...


class Mailbox:
    """
    Keeps what arrived; the oldest goes when there is too much of it.

    A line is handed to the operating system before `add` returns, so that it outlives a process
    that is killed, not a machine that loses its power. A line that was cut off in its middle is
    left out when the file is read again.
    """

    def __init__(self, path: Path | None, *, held_max: int) -> None:
        self._held_max = held_max
        self._lines: _Lines = _Memory() if path is None else _File(path)
        self._entries: deque[_Entry] = deque()
        self._first = 1
        self._size = 0
        self._load()

    @property
    def next_number(self) -> int:
        """The number that the next message gets."""
        return self._first + len(self._entries)

    def add(self, message: Received) -> None:
        """Keep *message*, whose id ends in `next_number`."""
        if len(self._entries) >= self._held_max:
            self._forget(max(1, self._held_max // _FORGOTTEN_SHARE))
        line = msgspec.json.encode(message) + b"\n"
        self._lines.append(line)
        self._index(message, len(line))

    def get(self, number: int) -> Received:
        """Return one by its number; raises `NotFound`."""
        place = number - self._first
        if not 0 <= place < len(self._entries):
            raise NotFound("there is no such message in the sandbox")
        return self._read(self._entries[place])

    def oldest_first(self) -> Iterator[Received]:
        """Yield everything that is kept."""
        return map(self._read, tuple(self._entries))

    def newest_first(
        self,
        *,
        to: str | None = None,
        since_ms: int | None = None,
        about: Callable[[str], bool] | None = None,
    ) -> Iterator[Received]:
        """
        Yield what went *to* an address, or a reference, and arrived at or after *since_ms*.

        *about* says which references are wanted.
        """
        for entry in reversed(self._entries):
            if since_ms is not None and entry.received_ms < since_ms:
                continue
            fits = about is None or about(entry.reference)
            if fits and (to is None or to in (entry.to, entry.reference)):
                yield self._read(entry)

    def close(self) -> None:
        """Let go of the file."""
        self._lines.close()

    def _load(self) -> None:
        lines = self._lines.all().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        messages = [msgspec.json.decode(line, type=Received) for line in whole]
        if messages:
            self._first = _number(messages[0])
        for message, line in zip(messages, whole, strict=True):
            self._index(message, len(line))
        if len(whole) < len(lines):
            self._lines.replace(b"".join(whole))

    def _index(self, message: Received, length: int) -> None:
        self._entries.append(
            _Entry(self._size, length, message.to, message.reference, message.received_ms)
        )
        self._size += length

    def _read(self, entry: _Entry) -> Received:
        return msgspec.json.decode(self._lines.read(entry.offset, entry.length), type=Received)

    def _forget(self, count: int) -> None:
        # At least the newest stays: its number is what the next one is counted from.
        count = min(count, len(self._entries) - 1)
        gone = self._entries[count].offset
        self._lines.replace(self._lines.all()[gone:])
        self._first += count
        self._entries = deque(
            entry._replace(offset=entry.offset - gone)
            for place, entry in enumerate(self._entries)
            if place >= count
        )
        self._size -= gone


class _Memory:
    def __init__(self) -> None:
        self._held = bytearray()

    def append(self, line: bytes) -> None:
        self._held += line

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self._held[offset : offset + length])

    def all(self) -> bytes:
        return bytes(self._held)

    def replace(self, lines: bytes) -> None:
        self._held = bytearray(lines)

    def close(self) -> None:
        """Nothing is held open."""


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = _open(path)
        self._closed = False

    def append(self, line: bytes) -> None:
        # One call for a line: what a kill leaves of it is at the file's end.
        os.write(self._fd, line)

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._fd, length, offset)

    def all(self) -> bytes:
        return self._path.read_bytes()

    def replace(self, lines: bytes) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(lines)
        fresh.chmod(0o600)
        fresh.replace(self._path)
        os.close(self._fd)
        self._fd = _open(self._path)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._fd)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)


def _number(message: Received) -> int:
    return int(message.id.rpartition("-")[2])
