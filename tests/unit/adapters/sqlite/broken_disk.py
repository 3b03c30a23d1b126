"""A disk that can be made to fail."""

from __future__ import annotations

from pathlib import Path

import apsw

from tocsin.adapters.sqlite.connection import prepare_writer


class BrokenDisk(apsw.VFS):
    """A disk whose syncs fail from a moment on."""

    def __init__(self) -> None:
        self.broken = False
        super().__init__("broken-disk", "")

    def xOpen(  # noqa: N802  # the name that SQLite gives it
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return BrokenFile(self, name, flags)


class BrokenFile(apsw.VFSFile):
    """A file on it."""

    def __init__(
        self, disk: BrokenDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self.disk = disk
        super().__init__("", name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802  # the name that SQLite gives it
        if self.disk.broken:
            raise apsw.IOError
        super().xSync(flags)


def on_disk(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), vfs="broken-disk")
    # This file system has no shared memory; a WAL without it belongs to one connection.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return prepare_writer(connection)
