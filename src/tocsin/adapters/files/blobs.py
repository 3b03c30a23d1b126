"""Blobs as files of one folder."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from tocsin.adapters.files.disk import failure, sync_folder
from tocsin.errors import NotFound

T = TypeVar("T")

_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


class FolderBlobs:
    """
    Fills `tocsin.ports.cache.Blobs`.

    A blob is written under another name, synced and renamed, then its folder is synced: it is
    there whole or not at all. Names are folders and files of letters, digits, ``_``, ``-`` and
    ``.``.
    """

    def __init__(self, folder: Path, *, threads: int = 2) -> None:
        """Use *folder*, which may be missing. The threads are the store's own."""
        self._folder = folder
        self._parts = itertools.count()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="tocsin-blobs")

    async def put(self, name: str, body: bytes) -> None:
        """Write, unless it is there."""
        await self._run(lambda: self._write(self._path(name), body))

    async def get(self, name: str) -> bytes:
        """Read the whole."""
        return await self._run(lambda: self._read(self._path(name)))

    async def names(self, folder: str) -> Sequence[str]:
        """List one folder."""
        return await self._run(lambda: self._names(folder, self._path(folder)))

    async def delete(self, names: Sequence[str]) -> None:
        """Unlink; after a crash some may be there again."""
        await self._run(lambda: self._delete([self._path(name) for name in names]))

    def close(self) -> None:
        """Finish what was asked for. Blocks."""
        self._threads.shutdown()

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a blob")
        return self._folder / name

    def _write(self, path: Path, body: bytes) -> None:
        if path.exists():
            return
        # Two writers of one name write the same bytes, but not through the same file. What a
        # crash leaves behind is written over: the count begins anew.
        part = path.with_name(f".part-{next(self._parts)}")
        try:
            _make_folder(path.parent)
            with part.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise failure(error, "a blob") from error

    @staticmethod
    def _read(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise NotFound("there is no blob of this name") from None

    @staticmethod
    def _names(folder: str, path: Path) -> list[str]:
        try:
            with os.scandir(path) as entries:
                found = [each.name for each in entries if each.is_file()]
        except FileNotFoundError:
            return []
        # What is half written, or was when a process ended, has no name of a blob.
        return [f"{folder}/{name}" for name in sorted(found) if _NAME.fullmatch(name)]

    @staticmethod
    def _delete(paths: Sequence[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)
