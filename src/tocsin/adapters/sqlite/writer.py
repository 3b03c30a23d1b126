"""
The one writer: a thread, a connection, and commits of whole groups.

While one commit waits for the disk, the next group gathers, so throughput does not depend on a
fast disk. An idle writer commits at once. A busy one may linger for a bounded time, as long as
waiting does bring more work.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, TypeVar

import apsw

from tocsin.adapters.sqlite.checkpoint import Checkpointer, CheckpointPolicy
from tocsin.adapters.sqlite.connection import open_writer, settle
from tocsin.adapters.sqlite.transaction import (
    CrashPoint,
    Essential,
    EssentialFailed,
    Operation,
    Outcome,
    commit_group,
)
from tocsin.errors import Stopping, StorageFailed, StorageFull, TocsinError, Unavailable

T = TypeVar("T")

Settled = Callable[[bool], None]
"""Called on the loop with True when a write is durable, with False when it was not kept."""

# A full disk is tried again this often while something waits that must not be dropped.
_FULL_RETRY_S: Final = 0.25

_NO_ROOM: Final = "the disk is full; nothing of this was stored"


class _Item(NamedTuple):
    operation: Operation
    future: asyncio.Future[Any]
    kept: bool = False
    """Whether those behind it count on it: it is tried again when the disk was full."""


# Groups to commit without lingering after lingering brought nothing.
_NO_LINGER_GROUPS: Final = 32


@dataclass(slots=True)
class WriterStats:
    """Counters for metrics, written by the writer's thread and read without a lock."""

    commits: int = 0
    operations: int = 0
    rejected: int = 0
    lingers: int = 0
    commit_seconds: float = 0.0
    wal_frames: int = 0
    commits_by_us_bits: list[int] = field(default_factory=lambda: [0] * 32)
    """Entry *b* counts the groups whose transaction took [2^(b-1), 2^b) microseconds."""

    def committed(self, operations: int, rejected: int, seconds: float) -> None:
        """Count one group."""
        self.commits += 1
        self.operations += operations
        self.rejected += rejected
        self.commit_seconds += seconds
        self.commits_by_us_bits[min(int(seconds * 1e6).bit_length(), 31)] += 1


class Writer:
    """
    Runs operations in the order in which they were submitted, in groups.

    Durable: a future resolves only after the COMMIT that holds its operation has returned, with
    the WAL synced. Ordered: strictly first in, first out; an urgent one overtakes those that
    are not, and nothing else does. An operation that raises is undone and rejects its own
    future only. A waiter that is cancelled changes nothing: its operation is committed.

    Errors on the future: what the operation raised; ``StorageFull`` when the disk has no room
    (nothing of the group was kept, and the writer goes on); ``Unavailable`` when the file is
    locked (nothing was kept); ``StorageFailed`` on any other error of the disk (it is not known
    what was kept; the writer accepts nothing more and calls ``on_fatal`` once, on the loop).

    What was given to `enqueue` is never dropped for a full disk or a lock: until it is stored,
    everything behind it is refused, and so is what is submitted meanwhile.
    """

    def __init__(
        self,
        path: Path,
        *,
        on_fatal: Callable[[BaseException], None],
        linger_ms: float = 0.0,
        batch_max: int = 256,
        checkpoint: CheckpointPolicy | None = CheckpointPolicy(),  # noqa: B008  # frozen
        crash: CrashPoint | None = None,
        connect: Callable[[Path], apsw.Connection] = open_writer,
    ) -> None:
        """
        Open the file and start the thread. Needs the running loop that will submit.

        ``checkpoint=None`` leaves the WAL alone. ``crash`` is called with the name of each
        point at which a fault test may kill the process. ``connect`` opens the file.
        """
        self.stats = WriterStats()
        self._loop = asyncio.get_running_loop()
        self._on_fatal = on_fatal
        self._linger_s = linger_ms / 1000
        self._batch_max = batch_max
        self._crash = crash
        self._queue: deque[_Item] = deque()
        self._urgent: deque[_Item] = deque()
        self._held: list[_Item] = []
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._asleep = False
        self._lingering = False
        self._closing = False
        self._failure: StorageFailed | None = None
        self._failing = threading.Lock()
        self._connection = connect(path)
        self._checkpointer = (
            Checkpointer(path, checkpoint, on_fatal=self._checkpoint_failed)
            if checkpoint is not None
            else None
        )
        self._connection.set_wal_hook(self._wal_grew)
        self._thread = threading.Thread(target=self._work, name="tocsin-writer", daemon=True)
        self._thread.start()

    @property
    def queue_length(self) -> int:
        """How many operations wait for their group."""
        return len(self._queue) + len(self._urgent)

    @property
    def full(self) -> bool:
        """Whether something that others count on waits for room on the disk."""
        return bool(self._held)

    @property
    def checkpointer(self) -> Checkpointer | None:
        """The checkpointer, for its counters."""
        return self._checkpointer

    def submit(
        self, operation: Callable[[apsw.Connection], T], *, urgent: bool = False
    ) -> asyncio.Future[T]:
        """
        Queue an operation; the future has its result once that is durable. Call on the loop.

        Raises:
            StorageFailed: the disk has failed earlier.
            StorageFull: the disk is full, and something waits for room that this could count on.
            Stopping: the writer is closed.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._put(_Item(operation, future), urgent=urgent)
        return future

    def enqueue(self, operation: Operation, settled: Settled | None = None) -> None:
        """
        Queue an operation that those behind it count on, so that nobody has to wait for it.

        Nothing that is submitted behind it becomes durable unless it does. On a full disk it is
        tried again until there is room; if it fails in another way the writer fails for good.
        Raises as :meth:`submit` does; then it is not queued and *settled* is not called.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        future.add_done_callback(partial(tell, settled))
        self._put(_Item(Essential(operation), future, kept=True), urgent=False)

    async def flush(self) -> None:
        """Return when everything submitted before is durable or has failed."""
        await self.submit(_nothing)

    async def cut_wal(self, tries: int) -> bool:
        """Copy all of the WAL into the file and leave nothing in it; False when others read it."""
        for _ in range(tries):
            checkpointer = self._checkpointer
            if checkpointer is None:
                return False
            checkpointer.cut()
            # The checkpoint comes after the group of the first.
            await self.flush()
            await self.flush()
            if not checkpointer.cut_wanted:
                return True
        return False

    def close(self) -> None:
        """Commit what is queued, then end the thread and close the file. Blocks; idempotent."""
        self._closing = True
        self._wake.put(None)
        self._thread.join()
        if self._checkpointer is not None:
            self._checkpointer.close()
        self._connection.close()

    def _put(self, item: _Item, *, urgent: bool) -> None:
        if self._failure is not None:
            raise StorageFailed("the disk failed earlier") from self._failure
        if self._closing:
            raise Stopping("the store is closed")
        if self._held:
            raise StorageFull(_NO_ROOM)
        queue = self._urgent if urgent else self._queue
        queue.append(item)
        # The thread says that it sleeps *before* it looks at the queues a last time, so either
        # it sees this item or this line sees it asleep. A token too many is harmless.
        if self._asleep or (self._lingering and (urgent or len(queue) >= self._batch_max)):
            self._asleep = self._lingering = False
            self._wake.put(None)

    def _work(self) -> None:
        committed_at = 0.0
        no_linger = 0
        while self._wait_for_work():
            if self._held:
                self._try_again()
                continue
            if no_linger:
                no_linger -= 1
            elif self._linger_s and not self._linger(committed_at):
                no_linger = _NO_LINGER_GROUPS
            group = self._take_group()
            try:
                self._run(group)
            except Exception as error:  # noqa: BLE001  # sorted into full, busy and fatal
                self._group_failed(group, error)
            committed_at = time.monotonic()
        self._drop_queue()

    def _wait_for_work(self) -> bool:
        while self._failure is None:
            if self._held or self.queue_length:
                return True
            if self._closing:
                break
            self._asleep = True
            if not self.queue_length:
                self._wake.get()
            self._asleep = False
        return False

    def _try_again(self) -> None:
        """Wait a little for room, then store what was held back, before anything else."""
        if not self._closing:
            with contextlib.suppress(Empty):
                self._wake.get(timeout=_FULL_RETRY_S)
        held = self._held
        try:
            self._run(held)
            self._held = []
        except Exception as error:  # noqa: BLE001  # sorted into full, busy and fatal
            self._group_failed(held, error)
            if self._closing and self._failure is None:
                self._failure = StorageFailed("the disk was full to the end")

    def _linger(self, committed_at: float) -> bool:
        """Wait for more, at most until the linger after the last commit; False if in vain."""
        waiting = len(self._queue)
        pause_s = committed_at + self._linger_s - time.monotonic()
        if pause_s <= 0 or self._urgent or waiting >= self._batch_max or self._closing:
            return True
        self.stats.lingers += 1
        self._lingering = True
        try:
            self._wake.get(timeout=pause_s)
        except Empty:
            pass
        finally:
            self._lingering = False
        return len(self._queue) > waiting or bool(self._urgent)

    def _take_group(self) -> list[_Item]:
        group: list[_Item] = []
        for queue in (self._urgent, self._queue):
            while queue and len(group) < self._batch_max:
                group.append(queue.popleft())
        return group

    def _run(self, group: list[_Item]) -> None:
        started = time.perf_counter()
        operations = [item.operation for item in group]
        outcomes = commit_group(self._connection, operations, self._crash)
        rejected = sum(error is not None for _, error in outcomes)
        self.stats.committed(len(group), rejected, time.perf_counter() - started)
        if self._failure is not None:
            # A checkpoint failed meanwhile: what is in the file is not known any more.
            outcomes = [(None, self._failure)] * len(group)
        self._on_loop(_resolve, group, outcomes)
        if self._checkpointer is not None and self._checkpointer.restart_wanted:
            self._checkpointer.restart(self._connection)

    def _group_failed(self, group: list[_Item], error: Exception) -> None:
        failure: TocsinError
        if is_full(error):
            failure = StorageFull(_NO_ROOM)
        elif isinstance(error, apsw.BusyError):
            failure = Unavailable("the store is locked; nothing of this was stored")
        elif isinstance(error, EssentialFailed):
            failure = self._fail(error, "an operation that others count on failed")
        else:
            failure = self._fail(error, "the disk refused a write")
        failure.__cause__ = error
        if self._failure is None and any(item.kept for item in group):
            group = self._hold(group)
        self._on_loop(_resolve, group, [(None, failure)] * len(group))

    def _hold(self, group: list[_Item]) -> list[_Item]:
        """Keep what others count on; return what has to be refused: all that is behind it."""
        self._held = [item for item in group if item.kept]
        behind = [item for item in group if not item.kept]
        # The loop refuses from here on, so little can follow; what does waits its turn.
        for queue in (self._urgent, self._queue):
            for _ in range(len(queue)):
                item = queue.popleft()
                (self._held if item.kept else behind).append(item)
        return behind

    def _checkpoint_failed(self, error: BaseException) -> None:
        self._fail(error, "the disk refused a checkpoint")
        self._wake.put(None)

    def _fail(self, error: BaseException, what: str) -> StorageFailed:
        with self._failing:
            if self._failure is not None:
                return self._failure
            failure = StorageFailed(what)
            failure.__cause__ = error
            self._failure = failure
        if not self._on_loop(self._on_fatal, failure):
            self._on_fatal(failure)
        return failure

    def _drop_queue(self) -> None:
        failure = self._failure or Stopping("the store is closed")
        for queue in (self._held, self._urgent, self._queue):
            group = list(queue)
            queue.clear()
            self._on_loop(_resolve, group, [(None, failure)] * len(group))

    def _on_loop(self, call: Callable[..., object], *arguments: object) -> bool:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            # The loop is closed: nobody waits for an answer any more.
            return False
        return True

    def _wal_grew(self, _connection: apsw.Connection, _database: str, frames: int) -> int:
        self.stats.wal_frames = frames
        if self._checkpointer is not None:
            self._checkpointer.wal_has(frames)
        return apsw.SQLITE_OK


def is_full(error: BaseException) -> bool:
    """Return whether the disk had no room, for the file or for the index of its WAL."""
    if isinstance(error, apsw.FullError):
        return True
    # An error that a file system written in Python raised carries no such code.
    extended = getattr(error, "extendedresult", None)
    return isinstance(error, apsw.IOError) and extended == apsw.SQLITE_IOERR_SHMSIZE


def _resolve(group: list[_Item], outcomes: list[Outcome]) -> None:
    for item, (result, error) in zip(group, outcomes, strict=True):
        settle(item.future, result, error)


def tell(settled: Settled | None, done: asyncio.Future[Any]) -> None:
    """Call *settled*, if anybody wants to know, when a write is *done*."""
    # Looked at in any case: an error that nobody looks at is reported as forgotten.
    kept = not done.cancelled() and done.exception() is None
    if settled is not None:
        settled(kept)


def _nothing(_connection: apsw.Connection) -> None:
    """Take a place in the queue."""
