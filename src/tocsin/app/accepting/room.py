"""How much room the disk has, and what is still accepted while there is little of it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

import structlog

from tocsin.domain.lanes import Lane
from tocsin.errors import StorageFailed, StorageFull, StorageLow
from tocsin.ports.system import Clock, Disk

_LOOK_EVERY_MS: Final = 1_000

logger = structlog.get_logger(__name__)


class Level(IntEnum):
    """How low the room is; each level stops more than the one before."""

    FINE = 0
    LOW = 1
    BULK_STOPPED = 2
    STOPPED = 3


class Watermarks(NamedTuple):
    """Free shares of the disk, in percent, at which a level begins; 0 never does."""

    low: int
    bulk: int
    stop: int


class DiskRoom:
    """
    Looks at the disk each second.

    A full disk cannot even be cleaned: deleting writes first. So accepting stops while there is
    room left, bulk before the rest, and a file that lies there only for this is given up when it
    comes to the last level. It is made again when all is well.
    """

    def __init__(self, disk: Disk, marks: Watermarks, clock: Clock) -> None:
        self._disk = disk
        self._marks = marks
        self._clock = clock
        self.level = Level.FINE
        self._free_percent = 100.0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await self._clock.pause(_LOOK_EVERY_MS)

    def look(self) -> None:
        """Measure, and do what the level asks for."""
        free, total = self._disk.room()
        self._free_percent = 100 * free / total if total else 100.0
        before, self.level = self.level, self._level_at(self._free_percent)
        if self.level is not before:
            tell = logger.info if self.level is Level.FINE else logger.warning
            tell("disk_level", level=self.level.name.lower(), free_bytes=free)
        if self.level is Level.STOPPED:
            if self._disk.drop_ballast():
                logger.warning("ballast_dropped", free_bytes=free)
        elif self.level is Level.FINE:
            self._keep_ballast(free, total)

    def check(self, lanes: Iterable[Lane]) -> None:
        """Raise `StorageLow` when events for one of *lanes* are not accepted now."""
        if self.level < Level.BULK_STOPPED:
            return
        if self.level is Level.STOPPED:
            raise StorageLow("the disk is nearly full, so nothing is accepted; make room")
        if "bulk" in lanes:
            raise StorageLow(
                "the disk is filling up, so events of workflows in the lane bulk are not accepted;"
                " send the others by themselves, or make room"
            )

    def warning(self) -> str | None:
        """Return what an operator should know; None when all is well."""
        if self.level is Level.FINE:
            return None
        stopped = {Level.BULK_STOPPED: "; bulk is stopped", Level.STOPPED: "; all is stopped"}
        return f"disk: {self._free_percent:.1f} % is free{stopped.get(self.level, '')}"

    def _level_at(self, percent: float) -> Level:
        marks = self._marks
        for level, mark in (
            (Level.STOPPED, marks.stop),
            (Level.BULK_STOPPED, marks.bulk),
            (Level.LOW, marks.low),
        ):
            if percent < mark:
                return level
        return Level.FINE

    def _keep_ballast(self, free: int, total: int) -> None:
        left = free - self._disk.ballast_bytes
        if self._level_at(100 * left / total if total else 100.0) is Level.FINE:
            try:
                self._disk.keep_ballast()
            except (StorageFull, StorageFailed) as error:
                # It is a precaution: what holds the messages says itself when it cannot be written.
                logger.warning("no_ballast", detail=error.detail)
