"""Opening what is kept: one file with one transaction, or three files that share none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import apsw

from tocsin.adapters.sqlite import migrations
from tocsin.adapters.sqlite.checkpoint import CheckpointPolicy
from tocsin.adapters.sqlite.connection import Readers, open_writer
from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.forgetting_views import ViewFile
from tocsin.adapters.sqlite.inbox import Bodies, SqliteInbox
from tocsin.adapters.sqlite.inbox_entries import ENTRY_BYTES, KEY_BYTES
from tocsin.adapters.sqlite.ledger import ENTRY_BYTES as LEDGER_ENTRY_BYTES
from tocsin.adapters.sqlite.ledger import SqliteLedger
from tocsin.adapters.sqlite.log import SqliteLog
from tocsin.adapters.sqlite.runs import IndexRuns
from tocsin.adapters.sqlite.view_marks import ViewMarks, own_chunk
from tocsin.adapters.sqlite.writer import Writer
from tocsin.config import Config

OnFatal = Callable[[BaseException], None]
Crash = Callable[[str], None]

JOINT = "tocsin.db"
SPLIT = {"log": "log.db", "state": "state.db", "views": "views.db"}


@dataclass(frozen=True, slots=True)
class Storage:
    """What was opened."""

    log: SqliteLog
    state: StateEngine
    inbox: SqliteInbox
    ledger: SqliteLedger
    indexes: Sequence[IndexRuns]
    """Of the inbox and of the ledger."""
    views: ViewFile
    writers: dict[str, Writer]


@dataclass(frozen=True, slots=True)
class StoreFile:
    """One open file."""

    writer: Writer
    readers: Readers


OpenFile = Callable[[Config, Path, AsyncExitStack, OnFatal, Crash | None], StoreFile]


def open_file(
    config: Config, path: Path, stack: AsyncExitStack, on_fatal: OnFatal, crash: Crash | None
) -> StoreFile:
    """Open a file with threads of its own; *stack* ends them."""
    size = config.store.checkpoint_bytes
    writer = Writer(
        path,
        on_fatal=on_fatal,
        linger_ms=config.log.linger_max_ms,
        checkpoint=CheckpointPolicy(restart_bytes=size, cap_bytes=4 * size),
        crash=crash,
    )
    stack.callback(writer.close)
    readers = Readers(path)
    stack.callback(readers.close)
    return StoreFile(writer, readers)


async def open_storage(
    config: Config,
    folder: Path,
    stack: AsyncExitStack,
    *,
    now_ms: int,
    on_fatal: OnFatal,
    crash: Crash | None = None,
    opening: OpenFile = open_file,
) -> Storage:
    """
    Open, migrate and load; *stack* closes it again, the last opened first.

    *opening* is how each file is opened; a simulation brings its own writer and readers.
    """
    names = _names(config)
    for path, dbs in _paths(folder, names).items():
        _migrate(path, dbs, now_ms)
    files: dict[str, StoreFile] = {}
    for db, name in names.items():
        known = next((f for other, f in files.items() if names[other] == name), None)
        files[db] = known or opening(config, folder / name, stack, on_fatal, crash)
    joint = config.store.layout == "joint"
    log = await _open_log(config, files, joint)
    engine = StateEngine(files["state"].writer, files["state"].readers, ordered_with_log=joint)
    inbox_runs, ledger_runs = await _open_indexes(files["views"])
    bodies: Bodies = log.chunk_of if joint else own_chunk
    marks = files["views"]
    inbox_marks = ViewMarks("inbox", marks.writer, marks.readers, keeps_bodies=not joint)
    inbox = SqliteInbox(
        inbox_runs,
        marks.readers,
        inbox_marks,
        bodies,
        # Where both are one transaction, the view holds what the log holds.
        ends=log.ends() if joint else await inbox_marks.all(),
        partition_of=log.partition_of,
        keep_ms=config.keep.inbox_ms,
    )
    await marks.readers.run(inbox.floors.load)
    ledger = SqliteLedger(
        ledger_runs, marks.readers, ViewMarks("ledger", marks.writer, marks.readers)
    )
    writers = {names[db]: each.writer for db, each in files.items()}
    views = ViewFile(marks.writer, marks.readers)
    return Storage(log, engine, inbox, ledger, (inbox_runs, ledger_runs), views, writers)


def migrate(config: Config, folder: Path, now_ms: int) -> list[str]:
    """Bring the files to this version's schema; returns the steps that were applied."""
    done: list[str] = []
    for path, dbs in _paths(folder, _names(config)).items():
        done += _migrate(path, dbs, now_ms)
    return done


def _names(config: Config) -> dict[str, str]:
    return dict.fromkeys(SPLIT, JOINT) if config.store.layout == "joint" else SPLIT


def _paths(folder: Path, names: dict[str, str]) -> dict[Path, list[str]]:
    found: dict[Path, list[str]] = {}
    for db, name in names.items():
        found.setdefault(folder / name, []).append(db)
    return found


def _migrate(path: Path, dbs: Sequence[str], now_ms: int) -> list[str]:
    connection = open_writer(path)
    try:
        return [step for db in dbs for step in migrations.apply(connection, db, now_ms)]
    finally:
        connection.close()


async def _open_log(config: Config, files: dict[str, StoreFile], joint: bool) -> SqliteLog:
    partitions = config.log.partitions

    def meta(connection: apsw.Connection) -> tuple[int, int]:
        row = connection.execute("SELECT incarnation, partitions FROM log_meta").fetchone()
        if row is None:
            connection.execute("INSERT INTO log_meta VALUES (1, ?)", (partitions,))
            return 1, partitions
        return int(row[0]), int(row[1])

    file = files["log"]
    incarnation, stored = await file.writer.submit(meta)

    return await file.readers.run(
        lambda connection: SqliteLog(
            file.writer,
            file.readers,
            connection,
            partitions=stored,
            incarnation=incarnation,
            shares_views=joint,
        )
    )


async def _open_indexes(file: StoreFile) -> tuple[IndexRuns, IndexRuns]:
    inbox = IndexRuns(
        "inbox_entry",
        entry_bytes=ENTRY_BYTES,
        key_bytes=KEY_BYTES,
        readers=file.readers,
        writer=file.writer,
    )
    ledger = IndexRuns(
        "ledger_entry",
        entry_bytes=LEDGER_ENTRY_BYTES,
        key_bytes=KEY_BYTES,
        readers=file.readers,
        writer=file.writer,
    )
    for index in (inbox, ledger):
        await file.writer.submit(index.create)
        await file.readers.run(index.load)
    return inbox, ledger
