"""What SQLite's state store does beyond its ports: full disks, tampering, and what memory holds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import msgspec
import pytest

from tests.contract.state_stores import WINDOW_MS, SqliteStores
from tocsin.adapters.sqlite import migrations
from tocsin.adapters.sqlite.connection import Readers, open_writer
from tocsin.adapters.sqlite.dedup import SqliteDeduplication
from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sql import bind_blobs, bind_numbers, bind_texts
from tocsin.adapters.sqlite.writer import Writer
from tocsin.domain.recipient import Recipient
from tocsin.errors import StorageFailed, StorageFull
from tocsin.ports.state import Change

HOUR_MS = 3_600_000
NOW_MS = 1_000 * HOUR_MS


@pytest.fixture
async def split(tmp_path: Path) -> AsyncIterator[SqliteStores]:
    stores = SqliteStores(tmp_path / "state.db", joint=False)
    await stores.open()
    yield stores
    stores.close()


async def fill_the_disk(engine: StateEngine, *, full: bool) -> None:
    """Let the file grow no further than a few pages, or give the room back."""

    def limit(connection: apsw.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").get
        connection.execute(f"PRAGMA max_page_count = {pages + 2 if full else 1_000_000}")

    await engine.write(limit)


def crowd(count: int = 500) -> list[Recipient]:
    return [Recipient(0, f"r{n}", name="x" * 200) for n in range(count)]


# ------------------------------------------------------------ a full disk


async def test_what_was_not_kept_is_not_read(split: SqliteStores) -> None:
    recipients = await split.recipients()
    (ada,) = await recipients.put([Recipient(0, "ada")])
    await fill_the_disk(split.engine, full=True)

    with pytest.raises(StorageFull):
        await recipients.put([msgspec.structs.replace(ada, version=2, name="Ada"), *crowd()])

    assert await recipients.by_id(["ada", "r1"]) == {"ada": ada}
    await fill_the_disk(split.engine, full=False)
    stored = await recipients.put(crowd())
    assert await recipients.by_id(["r1"]) == {"r1": stored[1]}


async def test_a_claim_that_was_not_kept_can_be_made_by_another(split: SqliteStores) -> None:
    deduplication = await split.deduplication()
    digests = [n.to_bytes(16, "little") for n in range(5_000)]
    await fill_the_disk(split.engine, full=True)

    with pytest.raises(StorageFull):
        await deduplication.claim([(digest, b"1" * 16) for digest in digests], NOW_MS)

    assert deduplication.lookup(digests, NOW_MS) == {}
    await fill_the_disk(split.engine, full=False)
    owners = await deduplication.claim([(digest, b"2" * 16) for digest in digests], NOW_MS)
    assert set(owners) == {b"2" * 16}


async def test_on_one_engine_nothing_is_committed_behind_a_write_that_failed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tocsin.db"
    connection = open_writer(path)
    migrations.apply(connection, "state", 0)
    connection.close()
    failures: list[BaseException] = []
    engine = StateEngine(
        Writer(path, on_fatal=failures.append), Readers(path), ordered_with_log=True
    )
    await engine.write(lambda c: c.execute("CREATE TABLE log (entry TEXT)").get)

    await engine.write_ahead(lambda c: c.execute("INSERT INTO no_such_table VALUES (1)"))
    behind = engine.writer.submit(lambda c: c.execute("INSERT INTO log VALUES ('plan')").get)

    with pytest.raises(StorageFailed):
        await behind
    entries = await engine.read(lambda c: c.execute("SELECT count(*) FROM log").get)
    assert entries == 0
    assert len(failures) == 1
    engine.readers.close()
    engine.writer.close()


# ------------------------------------------------------------ tampering with the trail


@pytest.mark.parametrize(
    ("tamper", "broken"),
    [
        (
            "UPDATE trail SET change = (SELECT change FROM trail WHERE number = 3) WHERE number = 2",
            2,
        ),
        ("UPDATE trail SET hash = zeroblob(32) WHERE number = 4", 4),
        ("DELETE FROM trail WHERE number = 3", 3),
        ("DELETE FROM trail WHERE number = 1", 1),
        ("DELETE FROM trail WHERE number = 5", 5),
        ("DELETE FROM trail", 1),
    ],
)
async def test_the_first_entry_that_was_tampered_with_is_named(
    split: SqliteStores, tamper: str, broken: int
) -> None:
    trail = await split.trail()
    await trail.add([Change(n, "ada", "pause", f"lane/{n}") for n in range(5)])

    await split.engine.execute(tamper, ())

    assert await trail.verify() == broken


# ------------------------------------------------------------ what memory and the file hold


async def test_hours_whose_window_has_passed_are_dropped(split: SqliteStores) -> None:
    deduplication = await SqliteDeduplication.open(split.engine, name="dedup", window_ms=WINDOW_MS)
    for hour in range(60):
        now_ms = NOW_MS + hour * HOUR_MS
        await deduplication.claim([(hour.to_bytes(16, "little"), b"1" * 16)], now_ms)
        await deduplication.maintain(now_ms)

    rows = await split.engine.read(lambda c: c.execute("SELECT count(*) FROM dedup_tail").get)
    assert rows == 26
    assert len(deduplication._entries.partitions) == 26


async def test_owners_are_found_in_runs_as_in_the_tail(split: SqliteStores) -> None:
    deduplication = await SqliteDeduplication.open(split.engine, name="dedup", window_ms=WINDOW_MS)
    claims = [(n.to_bytes(16, "little"), n.to_bytes(16, "big")) for n in range(70_000)]
    await deduplication.claim(claims, NOW_MS)
    await deduplication.maintain(NOW_MS)

    again = [(digest, b"other" + bytes(11)) for digest, _ in claims]
    owners = await deduplication.claim(again, NOW_MS)

    assert owners == [owner for _, owner in claims]


def test_nothing_is_an_empty_table(tmp_path: Path) -> None:
    connection = apsw.Connection(":memory:")
    for empty in (bind_numbers([]), bind_texts([]), bind_blobs([])):
        assert connection.execute("SELECT value FROM carray(?)", (empty,)).get is None
    found = connection.execute("SELECT value FROM carray(?)", (bind_texts(["a", "b\0", "ü"]),))
    assert [value for (value,) in found] == ["a", "ü"]


async def test_apart_from_the_log_nobody_is_known_before_she_is_durable(
    split: SqliteStores,
) -> None:
    recipients = await split.recipients()
    go_on = threading.Event()
    blocking = split.engine.writer.submit(lambda _: go_on.wait(10))
    async with asyncio.TaskGroup() as group:
        putting = group.create_task(recipients.put([Recipient(0, "ana")]))
        while not split.engine.writer.queue_length:  # noqa: ASYNC110  # the queue tells nobody
            await asyncio.sleep(0)

        assert not await recipients.by_id(["ana"])
        go_on.set()
    assert await recipients.by_id(["ana"]) == {"ana": putting.result()[0]}
    await blocking
