"""
The journal of opt-outs: an append-only file outside the database.

An entry is ``magic (4) | length (4) | CRC-32 of the body (4) | body``. Reading looks for the next
magic after anything that is no whole entry, so a torn end, or a block that went bad in the middle,
costs the entries that it held and no others; appending goes on after it.
"""

from __future__ import annotations

import asyncio
import mmap
import os
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from struct import Struct
from typing import Final
from zlib import crc32

from tocsin.adapters.files.disk import failure, sync_folder

_MAGIC: Final = b"\xf1oo\x1f"
_HEAD: Final = Struct("<4sII")

_SLICE: Final = 1_000


class FileOptOutJournal:
    """Fills `tocsin.ports.cache.OptOutJournal`."""

    def __init__(self, path: Path) -> None:
        """Use the file at *path*, which may be missing; its folder must be there."""
        self._path = path
        self._file: int | None = None
        # One thread: entries are appended in the order of the calls.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tocsin-journal")

    async def add(self, entries: Sequence[bytes]) -> None:
        """Append with one sync."""
        frames = b"".join(_frame(entry) for entry in entries)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._append, frames)

    async def replay(self, apply: Callable[[Sequence[bytes]], Awaitable[None]]) -> int:
        """Read in slices; what is added meanwhile is not read."""
        loop = asyncio.get_running_loop()
        count = 0
        with closing(_slices(self._path)) as slices:
            while entries := await loop.run_in_executor(self._thread, next, slices, None):
                await apply(entries)
                count += len(entries)
        return count

    async def rewrite(self, change: Callable[[bytes], bytes | None]) -> int:
        """Write a new file beside the old one, and put it in its place."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._rewrite, change)

    def _rewrite(self, change: Callable[[bytes], bytes | None]) -> int:
        if not self._path.exists():
            return 0
        entries = list(_entries(self._path))
        changed = [change(entry) for entry in entries]
        others = sum(after != before for before, after in zip(entries, changed, strict=True))
        if not others:
            return 0
        kept = [entry for entry in changed if entry is not None]
        part = self._path.with_suffix(".new")
        try:
            part.unlink(missing_ok=True)
            file = _open(part)
            try:
                _write(file, b"".join(map(_frame, kept)))
            finally:
                os.close(file)
            if self._file is not None:
                os.close(self._file)
                self._file = None
            part.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise failure(error, "the journal of opt-outs") from error
        return others

    def close(self) -> None:
        """Finish what was asked for. Blocks; idempotent."""
        self._thread.shutdown()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _append(self, frames: bytes) -> None:
        try:
            if self._file is None:
                self._file = _open(self._path)
            _write(self._file, frames)
        except OSError as error:
            raise failure(error, "the journal of opt-outs") from error


def _open(path: Path) -> int:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    sync_folder(path.parent)
    return file


def _write(file: int, frames: bytes) -> None:
    rest = memoryview(frames)
    while rest:
        rest = rest[os.write(file, rest) :]
    os.fsync(file)


def _frame(body: bytes) -> bytes:
    return _HEAD.pack(_MAGIC, len(body), crc32(body)) + body


def _slices(path: Path) -> Generator[list[bytes], None, None]:
    entries: list[bytes] = []
    for entry in _entries(path):
        entries.append(entry)
        if len(entries) == _SLICE:
            yield entries
            entries = []
    if entries:
        yield entries


def _entries(path: Path) -> Iterator[bytes]:
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        at = whole.find(_MAGIC)
        while at >= 0 and at + _HEAD.size <= len(whole):
            _, length, checksum = _HEAD.unpack_from(whole, at)
            end = at + _HEAD.size + length
            body = whole[at + _HEAD.size : end]
            if len(body) == length and crc32(body) == checksum:
                yield body
                at = whole.find(_MAGIC, end)
            else:
                at = whole.find(_MAGIC, at + 1)
