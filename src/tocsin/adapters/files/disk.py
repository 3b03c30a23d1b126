"""What files need to be durable, and what the errors of a disk mean."""

from __future__ import annotations

import os
import shutil
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Final

from tocsin.errors import StorageFailed, StorageFull

BALLAST_FILE: Final = "ballast"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def failure(error: OSError, what: str) -> StorageFull | StorageFailed:
    """Return what to raise when *what* could not be written."""
    if error.errno in (ENOSPC, EDQUOT):
        return StorageFull(f"the disk has no room for {what}")
    return StorageFailed(f"the disk refused {what}")


class FolderDisk:
    """Fills `tocsin.ports.system.Disk` for the disk that *folder* is on."""

    def __init__(self, folder: Path, *, ballast_bytes: int) -> None:
        self.ballast_bytes = ballast_bytes
        self._folder = folder
        self._ballast = folder / BALLAST_FILE

    def room(self) -> tuple[int, int]:
        """Ask the file system."""
        usage = shutil.disk_usage(self._folder)
        return usage.free, usage.total

    def keep_ballast(self) -> None:
        """Take the blocks without writing them."""
        if not self.ballast_bytes or self._ballast.exists():
            return
        try:
            with self._ballast.open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, self.ballast_bytes)
        except OSError as error:
            self._ballast.unlink(missing_ok=True)
            raise failure(error, "the ballast") from error

    def drop_ballast(self) -> bool:
        """Remove the file: of all that a full disk refuses, this needs the least room."""
        try:
            self._ballast.unlink()
        except FileNotFoundError:
            return False
        return True
