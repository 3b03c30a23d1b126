"""What files need to be durable, and what the errors of a disk mean."""

from __future__ import annotations

import os
from errno import EDQUOT, ENOSPC
from pathlib import Path

from tocsin.errors import StorageFailed, StorageFull


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
