"""
One SQLite file without threads: groups and snapshots are callbacks of the simulated loop.

The transactions are real, on a file in memory. What is random: how many operations share a
commit, how long it takes, how long its answers are on the way, when a read takes its snapshot,
and when the rest of it runs. A crash between any two of these loses what was not committed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import apsw

from tests.simulation.loop import SimLoop
from tocsin.adapters.sqlite.connection import Readers, settle
from tocsin.adapters.sqlite.transaction import Essential, Operation, Outcome, commit_group
from tocsin.adapters.sqlite.writer import Settled, Writer, WriterStats, tell
from tocsin.errors import Stopping, StorageFailed, StorageFull

T = TypeVar("T")


@dataclass(slots=True)
class DiskFaults:
    """How the disk of one run behaves; shares of all commits or reads."""

    full: float = 0.0
    broken: float = 0.0
    slow: float = 0.0
    quick: float = 0.5
    group_max: int = 64


def open_memory(path: Path) -> apsw.Connection:
    """Open a file whose syncs need not be real: only the process dies here, never the machine."""
    connection = apsw.Connection(str(path))
    for setting in ("journal_mode = WAL", "synchronous = OFF", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {setting}")
    return connection


class _Job(NamedTuple):
    """The operation, its future, and whether those behind it count on it."""

    operation: Operation
    future: asyncio.Future[Any]
    kept: bool = False


class SimWriter(Writer):
    """`Writer` with its loop in place of its thread."""

    def __init__(
        self,
        path: Path,
        loop: SimLoop,
        faults: DiskFaults,
        on_fatal: Callable[[BaseException], None],
        connect: Callable[[Path], apsw.Connection] = open_memory,
    ) -> None:
        # Not the real one's: that starts its thread.
        self.stats = WriterStats()
        self._sim = loop
        self._faults = faults
        self._fatal = on_fatal
        self._items: deque[_Job] = deque()
        self._held_back: list[_Job] = []
        self._scheduled = False
        self._answered_s = 0.0
        self._broken: StorageFailed | None = None
        self._file: apsw.Connection | None = connect(path)

    @property
    def queue_length(self) -> int:
        return len(self._items)

    @property
    def full(self) -> bool:
        return bool(self._held_back)

    @property
    def idle(self) -> bool:
        """Whether everything that was submitted has been answered."""
        return not self._scheduled and self._sim.time() > self._answered_s

    @property
    def checkpointer(self) -> None:
        return None

    async def cut_wal(self, tries: int) -> bool:
        """There is none on these files."""
        return True

    def submit(
        self, operation: Callable[[apsw.Connection], T], *, urgent: bool = False
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self._sim.create_future()
        self._add(_Job(operation, future))
        return future

    def enqueue(self, operation: Operation, settled: Settled | None = None) -> None:
        future = self._sim.create_future()
        future.add_done_callback(partial(tell, settled))
        self._add(_Job(Essential(operation), future, kept=True))

    async def flush(self) -> None:
        await self.submit(lambda _: None)

    def close(self) -> None:
        """Drop the file as a crash does: what was not committed is gone."""
        if self._file is not None:
            self._file.close(True)
            self._file = None

    def _add(self, item: _Job) -> None:
        if self._broken is not None:
            raise StorageFailed("the disk failed earlier")
        if self._file is None:
            raise Stopping("the store is closed")
        if self._held_back:
            raise StorageFull("the disk is full; nothing of this was stored")
        self._items.append(item)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and (self._held_back or self._items):
            self._scheduled = True
            self._sim.call_later(self._delay_s(), self._commit_some)

    def _delay_s(self) -> float:
        dice = self._sim.dice
        if dice.random() < self._faults.slow:
            return dice.uniform(0.05, 2.0)
        return 0.0 if dice.random() < self._faults.quick else dice.uniform(0.0, 0.01)

    def _commit_some(self) -> None:
        self._scheduled = False
        group = self._held_back
        if not group:
            size = self._sim.dice.randint(1, self._faults.group_max)
            group = [self._items.popleft() for _ in range(min(len(self._items), size))]
        self._held_back = []
        outcomes = self._commit(group)
        if outcomes is None:
            failure = StorageFull("the disk is full; nothing of this was stored")
            group = self._keep(group)
            outcomes = [(None, failure)] * len(group)
        if self._broken is not None:
            group, rest = [*group, *self._items], self._broken
            outcomes += [(None, rest)] * len(self._items)
            self._items.clear()
        # Answers arrive in the order of the commits, each after a way of its own.
        self._answered_s = max(self._answered_s, self._sim.time() + self._delay_s())
        self._sim.call_at(self._answered_s, _answer, group, outcomes)
        self._schedule()

    def _keep(self, group: list[_Job]) -> list[_Job]:
        """Keep what others count on, and return what has to be refused, as the real one."""
        if not any(item.kept for item in group):
            return group
        everything = [*group, *self._items]
        self._items.clear()
        self._held_back = [item for item in everything if item.kept]
        return [item for item in everything if not item.kept]

    def _commit(self, group: list[_Job]) -> list[Outcome] | None:
        """Commit *group*; None when the disk was full."""
        assert self._file is not None
        dice, faults = self._sim.dice, self._faults
        operations = [item.operation for item in group]
        full = dice.random() < faults.full
        broken = dice.random() < faults.broken
        kept = dice.random() < 0.5
        try:
            crash = _failing(full=full, broken=broken and not kept)
            outcomes = commit_group(self._file, operations, crash)
        except apsw.FullError:
            return None
        except Exception:  # noqa: BLE001  # as the real one: any other error is the end
            return [(None, self._break())] * len(group)
        self.stats.committed(len(group), 0, 0.0)
        # It may have been kept although nobody is told so.
        return [(None, self._break())] * len(group) if broken else outcomes

    def _break(self) -> StorageFailed:
        self._broken = StorageFailed("the disk refused a write")
        self._sim.call_later(self._delay_s(), self._fatal, self._broken)
        return self._broken


class SimReaders(Readers):
    """`Readers`: a snapshot now or soon, the reading of it a little later."""

    def __init__(self, path: Path, loop: SimLoop, faults: DiskFaults) -> None:
        self._path = path
        self._sim = loop
        self._faults = faults
        self._idle: list[apsw.Connection] = []
        self._open: list[apsw.Connection] = []

    async def run(self, read: Callable[[apsw.Connection], T]) -> T:
        future: asyncio.Future[T] = self._sim.create_future()
        self._sim.call_later(self._delay_s(), self._begin, read, future)
        return await future

    def close(self) -> None:
        for connection in self._open:
            connection.close(True)
        self._open.clear()
        self._idle.clear()

    def _delay_s(self) -> float:
        dice = self._sim.dice
        if dice.random() < self._faults.slow:
            return dice.uniform(0.05, 1.0)
        return 0.0 if dice.random() < self._faults.quick else dice.uniform(0.0, 0.01)

    def _begin(self, read: Callable[[apsw.Connection], Any], future: asyncio.Future[Any]) -> None:
        if not self._idle:
            self._idle.append(apsw.Connection(str(self._path)))
            self._open.append(self._idle[-1])
        connection = self._idle.pop()
        delay_s = self._delay_s()
        if not delay_s:
            # Nothing comes between: the statements see one state without a transaction.
            self._idle.append(connection)
            self._answer(future, *_outcome(connection, read))
            return
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        self._sim.call_later(delay_s, self._read, connection, read, future)

    def _read(
        self,
        connection: apsw.Connection,
        read: Callable[[apsw.Connection], Any],
        future: asyncio.Future[Any],
    ) -> None:
        outcome = _outcome(connection, read)
        connection.execute("ROLLBACK")
        self._idle.append(connection)
        self._answer(future, *outcome)

    def _answer(self, future: asyncio.Future[Any], result: Any, failed: Exception | None) -> None:
        self._sim.call_later(self._delay_s(), settle, future, result, failed)


def _outcome(
    connection: apsw.Connection, read: Callable[[apsw.Connection], Any]
) -> tuple[Any, Exception | None]:
    try:
        return read(connection), None
    except Exception as error:  # noqa: BLE001  # handed to the one who waits
        return None, error


def _failing(*, full: bool, broken: bool) -> Callable[[str], None]:
    def crash(point: str) -> None:
        if point == "before-commit" and full:
            raise apsw.FullError
        if point == "before-commit" and broken:
            raise apsw.IOError

    return crash


def _answer(group: list[_Job], outcomes: list[Outcome]) -> None:
    for item, (result, error) in zip(group, outcomes, strict=True):
        settle(item.future, result, error)
