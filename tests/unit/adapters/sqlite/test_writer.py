"""Group commit: who is answered what, and when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from tests.unit.adapters.sqlite.broken_disk import BrokenDisk, on_disk
from tocsin.adapters.sqlite.checkpoint import CheckpointPolicy
from tocsin.adapters.sqlite.connection import Readers, open_reader, open_writer, prepare_writer
from tocsin.adapters.sqlite.writer import Writer
from tocsin.errors import Stopping, StorageFailed, StorageFull

Operation = Callable[[apsw.Connection], int]


def insert(value: int) -> Operation:
    def operation(connection: apsw.Connection) -> int:
        connection.execute("INSERT INTO t VALUES (?)", (value,))
        return value

    return operation


def make_table(connection: apsw.Connection) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS t (value INTEGER PRIMARY KEY)")


def values(path: Path) -> list[int]:
    connection = open_reader(path)
    try:
        return [value for (value,) in connection.execute("SELECT value FROM t ORDER BY rowid")]
    finally:
        connection.close()


def note(seen: list[int], number: int) -> Callable[[apsw.Connection], None]:
    return lambda _connection: seen.append(number)


class Gate:
    """Holds the writer's thread in an operation until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, _connection: apsw.Connection) -> None:
        self.reached.set()
        assert self.go_on.wait(30)


async def hold(writer: Writer) -> tuple[Gate, asyncio.Future[None]]:
    gate = Gate()
    held = writer.submit(gate)
    await asyncio.to_thread(gate.reached.wait)
    return gate, held


class Fatal:
    """Collects what the writer calls fatal."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.called = asyncio.Event()

    def __call__(self, error: BaseException) -> None:
        self.errors.append(error)
        self.called.set()


async def opened(
    path: Path, fatal: Fatal | None = None, *, linger_ms: float = 0, batch_max: int = 256
) -> Writer:
    writer = Writer(path, on_fatal=fatal or Fatal(), linger_ms=linger_ms, batch_max=batch_max)
    await writer.submit(make_table)
    return writer


async def test_an_answer_comes_after_the_commit(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = await opened(path)
    assert await writer.submit(insert(7)) == 7
    assert values(path) == [7]
    writer.close()


async def test_one_bad_operation_among_good_ones_rejects_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = await opened(path)
    gate, held = await hold(writer)
    commits = writer.stats.commits

    def bad(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1000)")
        connection.execute("INSERT INTO t VALUES (3)")

    futures = [writer.submit(insert(n)) for n in range(63)]
    rejected = writer.submit(bad)
    futures.append(writer.submit(insert(63)))
    gate.go_on.set()
    await held
    assert await asyncio.gather(*futures) == list(range(64))
    with pytest.raises(apsw.ConstraintError):
        await rejected
    assert values(path) == list(range(64))
    assert (writer.stats.commits - commits, writer.stats.rejected) == (2, 1)
    writer.close()


async def test_a_bad_operation_alone_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = await opened(path)

    def bad(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        raise LookupError

    with pytest.raises(LookupError):
        await writer.submit(bad)
    assert await writer.submit(insert(2)) == 2
    assert values(path) == [2]
    writer.close()


async def test_operations_run_in_the_order_of_their_submission(tmp_path: Path) -> None:
    writer = await opened(tmp_path / "a.db", batch_max=7)
    seen: list[int] = []
    gate, held = await hold(writer)
    for n in range(50):
        writer.enqueue(note(seen, n))
    urgent = writer.submit(lambda _: seen.append(-1), urgent=True)
    gate.go_on.set()
    await held
    await urgent
    await writer.flush()
    assert seen == [-1, *range(50)]
    writer.close()


async def test_a_waiter_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = await opened(path)
    gate, held = await hold(writer)
    gone, stays = writer.submit(insert(1)), writer.submit(insert(2))
    gone.cancel()
    gate.go_on.set()
    await held
    assert await stays == 2
    assert values(path) == [1, 2]
    writer.close()


async def test_a_full_disk_keeps_nothing_of_the_group_and_the_writer_goes_on(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.db"
    fatal = Fatal()
    writer = await opened(path, fatal)
    await writer.submit(lambda c: c.execute("CREATE TABLE large (b BLOB)"))
    await writer.submit(lambda c: c.execute("PRAGMA max_page_count = 20"))
    gate, held = await hold(writer)
    small = writer.submit(insert(1))
    large = writer.submit(lambda c: c.execute("INSERT INTO large VALUES (zeroblob(200000))"))
    gate.go_on.set()
    await held
    for future in (small, large):
        with pytest.raises(StorageFull):
            await future
    assert values(path) == []
    await writer.submit(lambda c: c.execute("PRAGMA max_page_count = 2000"))
    assert await writer.submit(insert(2)) == 2
    assert fatal.errors == []
    writer.close()


async def test_what_others_count_on_waits_for_room_and_nothing_overtakes_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.db"
    fatal = Fatal()
    room = threading.Event()
    writer = await opened(path, fatal)

    def claim(connection: apsw.Connection) -> None:
        if not room.is_set():
            raise apsw.FullError
        insert(1)(connection)

    gate, held = await hold(writer)
    before = writer.submit(insert(0))
    kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    writer.enqueue(claim, kept.set_result)
    behind = [writer.submit(insert(n)) for n in range(2, 300)]
    gate.go_on.set()
    await held
    with pytest.raises(StorageFull):
        await before
    for future in behind:
        with pytest.raises(StorageFull):
            await future
    with pytest.raises(StorageFull):
        await writer.submit(insert(300))
    with pytest.raises(StorageFull):
        writer.enqueue(insert(301))
    assert values(path) == []
    room.set()
    assert await kept
    assert values(path) == [1]
    await becomes(writer, full=False)
    assert await writer.submit(insert(302)) == 302
    assert fatal.errors == []
    writer.close()


async def test_what_found_no_room_to_the_end_is_refused(tmp_path: Path) -> None:
    def claim(_: apsw.Connection) -> None:
        raise apsw.FullError

    writer = await opened(tmp_path / "a.db")
    kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    writer.enqueue(claim, kept.set_result)
    await becomes(writer, full=True)
    writer.close()
    assert not await kept


async def becomes(writer: Writer, *, full: bool) -> None:
    while writer.full is not full:  # noqa: ASYNC110  # a property of the writer's thread
        await asyncio.sleep(0)


@pytest.fixture
def disk() -> BrokenDisk:
    return BrokenDisk()


async def test_a_failed_sync_is_fatal_once_and_nothing_is_acknowledged_after_it(
    tmp_path: Path, disk: BrokenDisk
) -> None:
    fatal = Fatal()
    writer = Writer(tmp_path / "a.db", on_fatal=fatal, checkpoint=None, connect=on_disk)
    await writer.submit(make_table)
    gate, held = await hold(writer)
    disk.broken = True
    futures = [writer.submit(insert(n)) for n in range(3)]
    gate.go_on.set()
    outcomes = await asyncio.gather(held, *futures, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[1:]] == [StorageFailed] * 3
    await fatal.called.wait()
    disk.broken = False
    with pytest.raises(StorageFailed):
        await writer.submit(insert(9))
    assert [type(error) for error in fatal.errors] == [StorageFailed]
    assert isinstance(fatal.errors[0].__cause__, apsw.IOError)
    writer.close()


async def test_an_operation_that_nobody_waits_for_must_not_fail(tmp_path: Path) -> None:
    fatal = Fatal()
    writer = await opened(tmp_path / "a.db", fatal)
    await writer.submit(insert(1))
    writer.enqueue(insert(1))
    await fatal.called.wait()
    with pytest.raises(StorageFailed):
        await writer.submit(insert(2))
    writer.close()


async def test_closing_commits_what_is_queued_and_takes_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = await opened(path)
    futures = [writer.submit(insert(n)) for n in range(500)]
    writer.close()
    assert values(path) == list(range(500))
    assert await asyncio.gather(*futures) == list(range(500))
    with pytest.raises(Stopping):
        await writer.submit(insert(501))


async def test_lingering_gathers_one_group_and_ends_when_it_is_full(tmp_path: Path) -> None:
    writer = await opened(tmp_path / "a.db", linger_ms=300_000, batch_max=3)
    commits = writer.stats.commits
    await asyncio.gather(*[writer.submit(insert(n)) for n in range(3)])
    assert writer.stats.commits - commits == 1
    writer.close()


async def test_an_urgent_operation_ends_the_linger(tmp_path: Path) -> None:
    writer = await opened(tmp_path / "a.db", linger_ms=300_000)
    patient = writer.submit(insert(1))
    assert await writer.submit(insert(2), urgent=True) == 2
    assert await patient == 1
    writer.close()


async def test_a_linger_that_brought_nothing_is_not_repeated(tmp_path: Path) -> None:
    writer = await opened(tmp_path / "a.db", linger_ms=50)
    for n in range(30):
        await writer.submit(insert(n))
    assert writer.stats.lingers <= 1
    writer.close()


async def test_the_wal_stays_in_bounds_under_constant_load(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    policy = CheckpointPolicy(passive_bytes=200_000, restart_bytes=400_000, cap_bytes=800_000)
    writer = Writer(path, on_fatal=Fatal(), checkpoint=policy)
    checkpointer = writer.checkpointer
    assert checkpointer is not None
    await writer.submit(lambda c: c.execute("CREATE TABLE large (b BLOB)"))
    wal = path.with_name("a.db-wal")
    written = 0

    def bounded() -> bool:
        # Without checkpoints it would hold all that was written.
        return wal.stat().st_size < written * 20_000 // 2

    # How much is written until the other thread gets its turn is the machine's affair.
    while written < 600 or (written < 20_000 and not bounded()):
        await writer.submit(lambda c: c.execute("INSERT INTO large VALUES (zeroblob(20000))"))
        written += 1
    assert bounded()
    assert checkpointer.stats.passive > 0
    writer.close()
    assert len(open_reader(path).execute("SELECT 1 FROM large").fetchall()) == written


async def test_crash_points_are_passed_in_order(tmp_path: Path) -> None:
    points: list[str] = []
    writer = Writer(tmp_path / "a.db", on_fatal=Fatal(), crash=points.append)
    await writer.submit(make_table)
    writer.close()
    assert points == ["before-commit", "after-commit"]


async def test_a_read_sees_one_snapshot_and_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = await opened(path)
    readers = Readers(path, threads=1)
    loop = asyncio.get_running_loop()

    def read(connection: apsw.Connection) -> tuple[int, int]:
        before = connection.execute("SELECT count(*) FROM t").get
        committed = asyncio.run_coroutine_threadsafe(one_more(), loop)
        committed.result(30)
        return before, connection.execute("SELECT count(*) FROM t").get

    async def one_more() -> None:
        await writer.submit(insert(1))

    assert await readers.run(read) == (0, 0)
    assert await readers.run(lambda c: c.execute("SELECT count(*) FROM t").get) == 1
    with pytest.raises(apsw.ReadOnlyError):
        await readers.run(insert(2))
    readers.close()
    with pytest.raises(Stopping):
        await readers.run(insert(2))
    writer.close()


def test_a_file_that_is_not_in_wal_mode_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    apsw.Connection(str(path)).execute("CREATE TABLE t (x)")
    with pytest.raises(StorageFailed, match="journal_mode"):
        open_reader(path)
    open_writer(path).close()
    open_reader(path).close()


def test_a_store_without_wal_is_refused() -> None:
    with pytest.raises(StorageFailed, match="journal_mode"):
        prepare_writer(apsw.Connection(":memory:"))
