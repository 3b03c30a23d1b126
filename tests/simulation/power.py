"""
The machine loses its power: what was not synced is lost, kept or torn, sector by sector.

The files lie on `tests.faults.powerloss_vfs`, which knows no shared memory, so that reads go
through the writer's own connection, between its transactions.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import apsw

from tests.faults.powerloss_vfs import PowerLossDisk
from tests.simulation.engine import Machine
from tests.simulation.files import SimWriter
from tests.simulation.loop import SimLoop
from tocsin.adapters.sqlite.connection import Readers, settle
from tocsin.wiring.storage import StoreFile

T = TypeVar("T")

_names = itertools.count()


class PowerWriter(SimWriter):
    """Commits on a disk that can lose its power, and copies the WAL into the file now and then."""

    def connection(self) -> apsw.Connection:
        assert self._file is not None
        return self._file

    def _commit_some(self) -> None:
        super()._commit_some()
        if self._file is not None and self._sim.dice.random() < 0.1:
            self._file.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)


class SharedReaders(Readers):
    """Reads through the writer's connection."""

    def __init__(self, writer: PowerWriter, loop: SimLoop) -> None:
        # Not the real one's: that starts its threads.
        self._writer = writer
        self._sim = loop

    async def run(self, read: Callable[[apsw.Connection], T]) -> T:
        future: asyncio.Future[T] = self._sim.create_future()
        self._sim.call_later(self._sim.dice.choice((0.0, 0.002)), self._read, read, future)
        return await future

    def close(self) -> None:
        """Nothing is its own."""

    def _read(self, read: Callable[[apsw.Connection], Any], future: asyncio.Future[Any]) -> None:
        try:
            result = read(self._writer.connection())
        except Exception as error:  # noqa: BLE001  # handed to the one who waits
            settle(future, None, error)
        else:
            settle(future, result, None)


@dataclass(slots=True)
class PowerMachine(Machine):
    """A machine whose lives end with power cuts, in the middle of what the disk does."""

    synchronous: str = "FULL"
    cuts: int = 0
    _disk: PowerLossDisk | None = field(default=None)
    _cut: bool = field(default=False)

    def boot(self) -> SimLoop:
        self._check_files()
        self._cut = False
        self._disk = PowerLossDisk(f"power-{next(_names)}")
        for path in self.folder.glob("*.db*"):
            self._disk.content(path.name).durable = bytearray(path.read_bytes())
        return Machine.boot(self)

    def arm(self) -> bool:
        """Let the power fail somewhere in the next few hundred things that the disk does."""
        assert self._disk is not None
        self._disk.at_cut = self._now
        self._disk.cut_at = self._disk.events + self.dice.randrange(1, 500)
        return True

    def is_cut(self) -> bool:
        return self._cut

    def kill(self, loop: SimLoop) -> None:
        Machine.kill(self, loop)
        disk = self._disk
        assert disk is not None
        if self._cut:
            for path in self.folder.glob("*.db*"):
                path.unlink()
            disk.write_images(self.folder, self.dice.randrange(2**32))
        disk.unregister()

    def open_file(
        self, path: Path, loop: SimLoop, fatal: Callable[[BaseException], None]
    ) -> StoreFile:
        writer = PowerWriter(path, loop, self.faults, fatal, connect=self._connect)
        self.writers.append(writer)
        return StoreFile(writer, SharedReaders(writer, loop))

    def _connect(self, path: Path) -> apsw.Connection:
        assert self._disk is not None
        connection = self._disk.open_writer(path)
        connection.execute(f"PRAGMA synchronous = {self.synchronous}")
        return connection

    def _now(self) -> None:
        self.cuts += 1
        self._cut = True

    def _check_files(self) -> None:
        for path in self.folder.glob("*.db"):
            connection = apsw.Connection(str(path))
            sound = connection.execute("PRAGMA integrity_check").get
            connection.close()
            if sound != "ok":
                raise AssertionError(f"{path.name} is broken after a power cut: {sound}")


@dataclass(slots=True)
class CarelessMachine(PowerMachine):
    """The control: it does not wait for the disk, and so must lose what it acknowledged."""

    synchronous: str = "NORMAL"
