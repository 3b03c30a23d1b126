"""
Connections to the one SQLite file of a node, and the pool of reader threads.

The settings are what durability rests on, so they are read back: a pragma that SQLite does not
know, or cannot honour on this file system, is ignored by SQLite without a word.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, TypeVar

import apsw

from tocsin.errors import Stopping, StorageFailed

T = TypeVar("T")

# Before 3.51.3 a checkpoint on another connection could reset the WAL under a writer and lose
# committed frames (fixed upstream in March 2026).
OLDEST_SQLITE: Final = (3, 51, 3)

# One block of an index run fills one leaf page; larger pages write more WAL per small change.
PAGE_BYTES: Final = 4096

_SYNCHRONOUS_FULL: Final = 2
_CACHE_KIB: Final = 64 * 1024
BUSY_MS: Final = 5_000


def open_writer(path: Path) -> apsw.Connection:
    """
    Open the connection that writes. There is one per file; the folder lock sees to that.

    A commit on it is durable when it returns. It never checkpoints by itself.

    Raises:
        StorageFailed: this SQLite, or a setting that it insists on, is not safe.
    """
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    return prepare_writer(apsw.Connection(str(path), flags=flags))


def prepare_writer(connection: apsw.Connection) -> apsw.Connection:
    """Apply the settings of a writer to a connection that is already open, and read them back."""
    _refuse_old_sqlite()
    connection.set_busy_timeout(BUSY_MS)
    for setting in (
        # Only a new file takes a page size, and only before it becomes a WAL file.
        f"page_size = {PAGE_BYTES}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "wal_autocheckpoint = 0",
        "mmap_size = 0",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        # What people are told is deleted shall not lie on in the pages that are written anyway.
        "secure_delete = FAST",
        f"cache_size = -{_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA {setting}")
    _demand(connection, "journal_mode", "wal")
    _demand(connection, "synchronous", _SYNCHRONOUS_FULL)
    _demand(connection, "wal_autocheckpoint", 0)
    _demand(connection, "foreign_keys", 1)
    _demand_no_mmap(connection)
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """
    Open a connection that cannot write, on a file that exists.

    Raises:
        StorageFailed: this SQLite is not safe, or the file is not in WAL mode.
    """
    _refuse_old_sqlite()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_MS)
    for setting in ("query_only = 1", "mmap_size = 0", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {setting}")
    _demand(connection, "query_only", 1)
    _demand(connection, "journal_mode", "wal")
    _demand_no_mmap(connection)
    return connection


def open_checkpointer(path: Path) -> apsw.Connection:
    """
    Open the connection that copies the WAL into the file.

    It syncs as fully as the writer, because the frames that it retires must be on the disk.
    """
    _refuse_old_sqlite()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    for setting in ("synchronous = FULL", "wal_autocheckpoint = 0", "mmap_size = 0"):
        connection.execute(f"PRAGMA {setting}")
    _demand(connection, "journal_mode", "wal")
    _demand(connection, "synchronous", _SYNCHRONOUS_FULL)
    _demand_no_mmap(connection)
    return connection


def _refuse_old_sqlite() -> None:
    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")) < OLDEST_SQLITE:
        oldest = ".".join(str(part) for part in OLDEST_SQLITE)
        raise StorageFailed(f"SQLite {version} can lose committed data; {oldest} is the oldest")


def _demand(connection: apsw.Connection, pragma: str, wanted: str | int) -> None:
    found = connection.execute(f"PRAGMA {pragma}").get
    if found != wanted:
        raise StorageFailed(f"SQLite keeps {pragma} = {found!r}; only {wanted!r} is safe")


def _demand_no_mmap(connection: apsw.Connection) -> None:
    # A build without mmap answers with no row at all.
    if connection.execute("PRAGMA mmap_size").get not in (0, None):
        raise StorageFailed("SQLite maps the file into memory, which hides I/O errors")


_Job = tuple[Callable[[apsw.Connection], Any], "asyncio.Future[Any]"]


class Readers:
    """
    A few threads, each with a connection of its own, that read beside the writer.

    A read sees one snapshot: everything that was committed before it began, nothing later.
    """

    def __init__(self, path: Path, *, threads: int = 2) -> None:
        """Open the connections. Needs the running loop that :meth:`run` will be called on."""
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        connections = [open_reader(path) for _ in range(threads)]
        self._threads = [
            threading.Thread(
                target=self._work, args=(each,), name=f"tocsin-reader-{n}", daemon=True
            )
            for n, each in enumerate(connections)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, read: Callable[[apsw.Connection], T]) -> T:
        """
        Run ``read`` in a reader thread, inside one read transaction.

        The caller keeps it under a second: an older snapshot keeps the WAL from being reused.
        What ``read`` raises is raised here.
        """
        if self._closed:
            raise Stopping("the store is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((read, future))
        return await future

    def close(self) -> None:
        """Finish what was asked for, then end the threads and their connections."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, connection: apsw.Connection) -> None:
        while (job := self._jobs.get()) is not None:
            read, future = job
            # Nobody waits any more: the snapshot would only hold the WAL back.
            if future.cancelled():
                continue
            try:
                result = _in_snapshot(connection, read)
            except Exception as error:  # noqa: BLE001  # handed to the one who waits
                self._tell(future, None, error)
            else:
                self._tell(future, result, None)
        connection.close()

    def _tell(self, future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
        try:
            self._loop.call_soon_threadsafe(settle, future, result, error)
        except RuntimeError:
            # The loop is gone, and with it whoever waited.
            return


def settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    """Resolve a future on its loop, unless its waiter has gone."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _in_snapshot(connection: apsw.Connection, read: Callable[[apsw.Connection], T]) -> T:
    connection.execute("BEGIN")
    try:
        return read(connection)
    finally:
        connection.execute("ROLLBACK")
