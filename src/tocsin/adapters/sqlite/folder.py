"""A data folder belongs to one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from tocsin.errors import Conflict

LOCK_NAME: Final = "tocsin.lock"


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the folder; written into the lock file for people to read."""

    pid: int
    started_ms: int


class FolderInUse(Conflict):
    """Another process holds this data folder."""

    code = "folder_in_use"
    title = "The data folder is in use"


class FolderLock:
    """
    An exclusive lock on a data folder, from construction until :meth:`release`.

    The kernel drops it when the process ends in whatever way, so it cannot go stale. The file
    stays behind; only the lock on it means anything.
    """

    def __init__(self, folder: Path, *, started_ms: int) -> None:
        """
        Take the lock.

        Raises:
            FolderInUse: another process has it; the message names its process id.
        """
        self._file = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read_holder(self._file)
            os.close(self._file)
            raise FolderInUse(_complaint(folder, holder)) from None
        os.ftruncate(self._file, 0)
        os.pwrite(
            self._file, msgspec.json.encode(Holder(pid=os.getpid(), started_ms=started_ms)), 0
        )

    def release(self) -> None:
        """Give the folder up. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        """Hold the folder for the length of a ``with`` block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release it."""
        self.release()


def _read_holder(file: int) -> Holder | None:
    # The holder writes its line just after it has the lock: there may be nothing to read yet.
    try:
        return msgspec.json.decode(os.pread(file, 4096, 0), type=Holder)
    except msgspec.DecodeError:
        return None


def _complaint(folder: Path, holder: Holder | None) -> str:
    who = "another process" if holder is None else f"process {holder.pid}"
    return f"{folder} is in use by {who}; stop it first, or give this one a folder of its own"
