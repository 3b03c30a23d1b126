"""
Checkpoints on a thread of their own, so that no commit waits for the file to catch up.

A passive checkpoint copies frames while the writer goes on appending. Under constant load it
never quite catches up, so the WAL would only grow: above a size the writer itself, between two
groups, copies the few frames that are left and starts the WAL again. From another connection
that would have to fight the writer for its lock, and lose for as long as the load lasts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw
import msgspec

from tocsin.adapters.sqlite.connection import BUSY_MS, open_checkpointer

_FRAME_HEADER_BYTES: Final = 24

# Rounds of passive checkpoints before the writer is asked to copy the rest: each leaves only
# what was written while it ran.
_ROUNDS: Final = 3


class CheckpointPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When the WAL is copied into the file."""

    passive_bytes: int = 4 * 1024 * 1024
    """This much that is not yet in the file starts a passive checkpoint."""
    restart_bytes: int = 16 * 1024 * 1024
    """A WAL of this size is started again as soon as readers allow it."""
    cap_bytes: int = 64 * 1024 * 1024
    """Above this, commits wait for the readers rather than let the WAL grow."""
    idle_ms: int = 500
    """After this long without a commit the rest is copied and a large WAL is cut off."""


@dataclass(slots=True)
class CheckpointStats:
    """Counters for metrics."""

    passive: int = 0
    restarts: int = 0
    refused: int = 0
    truncations: int = 0


class Checkpointer:
    """Watches the size of the WAL, as the writer reports it, and keeps it in bounds."""

    def __init__(
        self, path: Path, policy: CheckpointPolicy, *, on_fatal: Callable[[BaseException], None]
    ) -> None:
        """Open the connection and start the thread; ``on_fatal`` is called on that thread."""
        self.stats = CheckpointStats()
        self._policy = policy
        self._on_fatal = on_fatal
        self._connection = open_checkpointer(path)
        page_bytes = self._connection.execute("PRAGMA page_size").get
        self._frame_bytes = page_bytes + _FRAME_HEADER_BYTES
        self._wal_bytes = 0
        self._copied_bytes = 0
        self._closing = False
        self.restart_wanted = False
        self.cut_wanted = False
        """Whether the WAL is to be cut off at the next turn of the writer."""
        self._grew = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tocsin-checkpoint", daemon=True)
        self._thread.start()

    def wal_has(self, frames: int) -> None:
        """Take note of the WAL's size after a commit. Called on the writer's thread."""
        size = frames * self._frame_bytes
        if size < self._wal_bytes:
            self._copied_bytes = 0
        self._wal_bytes = size
        if size - self._copied_bytes >= self._policy.passive_bytes:
            self._grew.set()

    def restart(self, writer: apsw.Connection) -> None:
        """Copy the rest and start the WAL again. Called on the writer's thread, between groups."""
        self.restart_wanted = False
        wait_ms = 250 if self._wal_bytes >= self._policy.cap_bytes or self.cut_wanted else 0
        mode = (
            apsw.SQLITE_CHECKPOINT_TRUNCATE if self.cut_wanted else apsw.SQLITE_CHECKPOINT_RESTART
        )
        copied = _checkpoint(writer, mode, wait_ms=wait_ms)
        writer.set_busy_timeout(BUSY_MS)
        if copied is None:
            self.stats.refused += 1
        else:
            self.stats.restarts += 1
            self.cut_wanted = False

    def cut(self) -> None:
        """Ask the writer to leave nothing in the WAL of what it holds now."""
        self.cut_wanted = self.restart_wanted = True

    def close(self) -> None:
        """End the thread. What is still in the WAL stays there, as durable as it was."""
        self._closing = True
        self._grew.set()
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        idle_s = self._policy.idle_ms / 1000
        seen = 0
        try:
            while not self._closing:
                if self._grew.wait(idle_s):
                    self._grew.clear()
                    self._catch_up()
                elif self._wal_bytes and self._wal_bytes == seen:
                    self._settle_down()
                seen = self._wal_bytes
        except apsw.Error as error:
            # A page that could not be synced may be lost although a second try succeeds.
            self._on_fatal(error)

    def _catch_up(self) -> None:
        for _ in range(_ROUNDS):
            # While the writer restarts the WAL, a checkpoint here would only stand in its way.
            if self._closing or self.restart_wanted:
                return
            self._passive()
            if self._wal_bytes - self._copied_bytes < self._policy.passive_bytes // 4:
                break
        self.restart_wanted = self._wal_bytes >= self._policy.restart_bytes

    def _settle_down(self) -> None:
        large = self._wal_bytes > self._policy.passive_bytes
        if self._copied_bytes < self._wal_bytes:
            self._passive()
        if not large:
            return
        mode = apsw.SQLITE_CHECKPOINT_TRUNCATE
        if _checkpoint(self._connection, mode, wait_ms=10) is not None:
            self.stats.truncations += 1
            self._wal_bytes = self._copied_bytes = 0

    def _passive(self) -> None:
        copied = _checkpoint(self._connection, apsw.SQLITE_CHECKPOINT_PASSIVE, wait_ms=0)
        if copied is not None:
            self._copied_bytes = copied * self._frame_bytes
        self.stats.passive += 1


def _checkpoint(connection: apsw.Connection, mode: int, *, wait_ms: int) -> int | None:
    """
    How many frames of the WAL are in the file now; None when somebody was in the way, or the
    file found no room to grow: nothing is lost by trying again later.
    """
    connection.set_busy_timeout(wait_ms)
    try:
        _, copied = connection.wal_checkpoint(mode=mode)
    except (apsw.BusyError, apsw.FullError):
        return None
    return max(copied, 0)
