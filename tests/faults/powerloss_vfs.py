"""
A file system for SQLite that can lose its power.

Files are real, so SQLite reads what it wrote. Beside them the disk remembers, for each file,
what the last sync made durable and every write since. A power cut keeps any part of those
writes: each sector of 512 bytes is kept or lost on its own, so writes are reordered and torn.

There is no shared memory here: a WAL belongs to one connection in exclusive locking mode.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from tocsin.adapters.sqlite.connection import prepare_writer

SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that were written at a place and not yet synced."""

    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncation:
    """A new length that is not yet synced."""

    size: int


@dataclass(slots=True)
class Content:
    """One file: what is certain, and what is not."""

    durable: bytearray = field(default_factory=bytearray)
    unsynced: list[Write | Truncation] = field(default_factory=list)

    def copy(self) -> Content:
        return Content(bytearray(self.durable), list(self.unsynced))

    def sync(self) -> None:
        for change in self.unsynced:
            _apply(self.durable, change)
        self.unsynced.clear()

    def after_cut(self, dice: random.Random, kept_share: float) -> bytes:
        """What a power cut may leave of the file."""
        image = bytearray(self.durable)
        for change in self.unsynced:
            if isinstance(change, Truncation):
                if dice.random() < kept_share:
                    _apply(image, change)
                continue
            for sector in _sectors(change):
                if dice.random() < kept_share:
                    _apply(image, sector)
        return bytes(image)


class PowerLossDisk(apsw.VFS):
    """
    The file system. Register one per test, under a name of its own, on an empty folder.

    Every write, truncation, sync and deletion is an event. When event ``cut_at`` is about to
    happen the power fails: ``at_cut`` is called on the thread that does the event, which may
    note what was acknowledged until then, and :meth:`write_images` makes the files that a
    restart finds. The workload itself goes on undisturbed.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.events = 0
        self.cut_at: int | None = None
        self.at_cut: Callable[[], None] = _note_nothing
        self._files: dict[str, Content] = {}
        self._cut: dict[str, Content] | None = None
        super().__init__(name, "")

    def open_writer(self, path: Path) -> apsw.Connection:
        """Open a writer with its usual settings, for ``Writer(connect=…)``."""
        connection = apsw.Connection(str(path), vfs=self.name)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        return prepare_writer(connection)

    def write_images(self, folder: Path, seed: int) -> None:
        """Write what the power cut left; without a cut so far, as if it happened now."""
        dice = random.Random(seed)
        # All, nothing and much between: most failures need only one of the extremes.
        kept_share = dice.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        files = self._files if self._cut is None else self._cut
        folder.mkdir(parents=True, exist_ok=True)
        for name in sorted(files):
            (folder / name).write_bytes(files[name].after_cut(dice, kept_share))

    def event(self) -> None:
        """Count an event, and fail if it is the one."""
        if self.events == self.cut_at:
            self._cut = {name: content.copy() for name, content in self._files.items()}
            self.at_cut()
        self.events += 1

    def content(self, name: str) -> Content:
        return self._files.setdefault(name, Content())

    def xOpen(  # noqa: N802  # the name that SQLite gives it
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return PowerLossFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802  # as above
        self.event()
        super().xDelete(filename, syncdir)
        self._files.pop(Path(filename).name, None)


class PowerLossFile(apsw.VFSFile):
    """An open file: real, and remembered."""

    def __init__(
        self, disk: PowerLossDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._disk = disk
        filename = name.filename() if isinstance(name, apsw.URIFilename) else name
        # A file without a name is scratch space, which no restart looks at.
        self._name = None if filename is None else Path(filename).name
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # as above
        self._changed(Write(offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802  # as above
        self._changed(Truncation(newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802  # as above
        # The real file need not be synced: the machine under the test keeps its power.
        if self._name is not None:
            self._disk.event()
            self._disk.content(self._name).sync()

    def _changed(self, change: Write | Truncation) -> None:
        if self._name is not None:
            self._disk.event()
            self._disk.content(self._name).unsynced.append(change)


def _sectors(write: Write) -> list[Write]:
    pieces = []
    at, end = write.at, write.at + len(write.data)
    while at < end:
        upto = min(end, (at // SECTOR_BYTES + 1) * SECTOR_BYTES)
        pieces.append(Write(at, write.data[at - write.at : upto - write.at]))
        at = upto
    return pieces


def _apply(image: bytearray, change: Write | Truncation) -> None:
    if isinstance(change, Truncation):
        del image[change.size :]
        return
    if len(image) < change.at:
        image.extend(bytes(change.at - len(image)))
    image[change.at : change.at + len(change.data)] = change.data


def _note_nothing() -> None:
    """Nobody watches the cut."""
