"""Log and views on SQLite, in one transaction or apart, with indexes that merge soon."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import apsw

from tocsin.adapters.memory.feed import MemoryFeed
from tocsin.adapters.sqlite import inbox_entries, ledger, migrations
from tocsin.adapters.sqlite.connection import Readers, open_writer
from tocsin.adapters.sqlite.inbox import SqliteInbox
from tocsin.adapters.sqlite.ledger import SqliteLedger
from tocsin.adapters.sqlite.log import SqliteLog
from tocsin.adapters.sqlite.runs import IndexRuns, RunPolicy
from tocsin.adapters.sqlite.view_marks import ViewMarks, own_chunk
from tocsin.adapters.sqlite.writer import Writer
from tocsin.app.project import (
    InboxProjection,
    LedgerProjection,
    View,
    followed_topics,
    partitions_of,
)
from tocsin.ports.log import Batch, Follow, Output, Projection, Step

LAYOUTS = ("joint", "split")
KEEP_MS = 100 * 365 * 86_400_000
"""Longer than any test lasts."""
_SOON = RunPolicy(tail_entries=6, tail_rows=4, fan_in=2, slice_entries=4)


class ViewStores:
    """One process's log, inbox and ledger; `reopen` ends it and starts another."""

    log: SqliteLog
    inbox: SqliteInbox
    ledger: SqliteLedger

    def __init__(self, folder: Path, layout: str, *, partitions: int = 2) -> None:
        self.joint = layout == "joint"
        self.feed = MemoryFeed()
        self._folder = folder
        self._partitions = partitions
        self._stack = ExitStack()
        self._catching_up = asyncio.Lock()

    async def open(self, *, full: bool = False) -> None:
        """Open the files; with *full* the log's has no room left."""
        log_file, view_file = self._files(full=full)
        self.log = await log_file.readers.run(lambda c: self._log(log_file, c))
        indexes = [
            IndexRuns(
                name,
                entry_bytes=width,
                key_bytes=4,
                readers=view_file.readers,
                writer=view_file.writer,
                policy=_SOON,
            )
            for name, width in (
                ("inbox_entry", inbox_entries.ENTRY_BYTES),
                ("ledger_entry", ledger.ENTRY_BYTES),
            )
        ]
        for index in indexes:
            await view_file.writer.submit(index.create)
            await view_file.readers.run(index.load)
        self.indexes = indexes
        self.view_writer = view_file.writer
        self.view_readers = readers = view_file.readers
        marks = ViewMarks("inbox", view_file.writer, readers, keeps_bodies=not self.joint)
        self.inbox = SqliteInbox(
            indexes[0],
            readers,
            marks,
            self.log.chunk_of if self.joint else own_chunk,
            ends=self.log.ends() if self.joint else await marks.all(),
            partition_of=self.log.partition_of,
            keep_ms=KEEP_MS,
        )
        await readers.run(self.inbox.floors.load)
        ledger_marks = ViewMarks("ledger", view_file.writer, readers)
        self.ledger = SqliteLedger(indexes[1], readers, ledger_marks)
        self.projections = (
            InboxProjection(self.inbox, self.feed),
            LedgerProjection(self.ledger, lambda _: None),
        )

    def close(self) -> None:
        """Close everything."""
        self._stack.close()

    async def reopen(self) -> None:
        """Close and open: only what is durable is left."""
        self.close()
        await self.open()

    def follow(self) -> Follow | None:
        """Return what a step writes besides its records."""
        return Follow(lambda _: (), self.projections) if self.joint else None

    async def put(self, *outputs: Output) -> Sequence[Batch]:
        """Append records, and bring the views up to them."""
        if self.joint:
            return await self.log.commit(Step((), outputs), self.follow())
        batches = await self.log.append(outputs)
        await self.catch_up()
        return batches

    async def catch_up(self) -> None:
        """Bring views that are apart from the log up to it."""
        async with self._catching_up:
            await self._catch_up()

    async def _catch_up(self) -> None:
        inbox, ledger = self.projections
        views: list[tuple[View, Projection]] = [(self.inbox, inbox), (self.ledger, ledger)]
        for view, projection in views:
            marks: Mapping[tuple[str, int], int] = await view.marks()
            batches = []
            for topic in followed_topics():
                for partition in partitions_of(self.log, topic):
                    at = marks.get((topic, partition), 0)
                    batch = await self.log.read(topic, partition, at, records_max=10_000)
                    if batch.records and projection.follows(topic):
                        batches.append(batch)
            if batches:
                await view.write(batches)
                projection.applied(batches)

    async def again(self, batches: Sequence[Batch]) -> None:
        """Apply *batches* to the views once more, as after a crash between write and mark."""
        for projection in self.projections:
            some = [each for each in batches if projection.follows(each.topic)]
            if some:
                await self.view_writer.submit(projection.prepare(some).__call__)

    async def merge(self) -> int:
        """Let the indexes do what is due; return how many runs they wrote."""
        return sum([await index.merge_if_needed() for index in self.indexes])

    def _log(self, file: _File, connection: apsw.Connection) -> SqliteLog:
        return SqliteLog(
            file.writer,
            file.readers,
            connection,
            partitions=self._partitions,
            incarnation=1,
            shares_views=self.joint,
        )

    def _files(self, *, full: bool) -> tuple[_File, _File]:
        if self.joint:
            file = _File(self._folder / "joint.db", ("log", "views"), self._stack, full=full)
            return file, file
        return (
            _File(self._folder / "log.db", ("log",), self._stack, full=full),
            _File(self._folder / "views.db", ("views",), self._stack, full=False),
        )


class _File:
    def __init__(self, path: Path, dbs: Sequence[str], stack: ExitStack, *, full: bool) -> None:
        connection = open_writer(path)
        for db in dbs:
            migrations.apply(connection, db, 0)
        connection.close()
        self.writer = Writer(path, on_fatal=_fatal, connect=_cramped if full else open_writer)
        stack.callback(self.writer.close)
        self.readers = Readers(path)
        stack.callback(self.readers.close)


def _cramped(path: Path) -> apsw.Connection:
    """Open a file that may not grow by more than a few pages."""
    connection = open_writer(path)
    pages = connection.execute("PRAGMA page_count").get
    connection.execute(f"PRAGMA max_page_count = {pages + 8}")
    return connection


def _fatal(error: BaseException) -> None:
    raise AssertionError("the writer failed") from error
