"""What a power cut takes: nothing that was acknowledged, and with less care a lot."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from tests.faults.powerloss_vfs import PowerLossDisk
from tocsin.adapters.sqlite.writer import Writer

SEEDS = 40


def fail(error: BaseException) -> None:
    raise error


def lost_after_cut(folder: Path, seed: int, synchronous: str) -> set[int]:
    """Commit rows one by one, cut the power somewhere, and return what was lost of them."""
    dice = random.Random(seed)
    disk = PowerLossDisk(f"cut-{synchronous}-{seed}")
    (folder / "before").mkdir(parents=True)
    acknowledged: list[int] = []
    at_cut: list[int] = []
    disk.at_cut = lambda: at_cut.extend(acknowledged)
    connection = disk.open_writer(folder / "before" / "a.db")
    connection.execute("CREATE TABLE t (value INTEGER PRIMARY KEY, padding BLOB)")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    disk.cut_at = disk.events + dice.randrange(400)
    for value in range(100):
        padding = dice.randbytes(dice.randrange(6_000))
        connection.execute("INSERT INTO t VALUES (?, ?)", (value, padding))
        acknowledged.append(value)
        if dice.random() < 0.1:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
    disk.write_images(folder / "after", seed)
    connection.close()
    return set(at_cut) - values_after(folder / "after" / "a.db")


def values_after(path: Path) -> set[int]:
    """Open what the cut left, as a restart does; it must be a sound database."""
    connection = apsw.Connection(str(path))
    assert connection.execute("PRAGMA integrity_check").get == "ok"
    found = {value for (value,) in connection.execute("SELECT value FROM t")}
    connection.close()
    return found


@pytest.mark.slow
def test_full_synchronous_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    for seed in range(SEEDS):
        assert lost_after_cut(tmp_path / str(seed), seed, "FULL") == set(), f"seed {seed}"


@pytest.mark.slow
def test_control_normal_synchronous_loses_acknowledged_rows(tmp_path: Path) -> None:
    lost = [bool(lost_after_cut(tmp_path / str(seed), seed, "NORMAL")) for seed in range(SEEDS)]
    assert sum(lost) > SEEDS // 10


async def lost_by_writer(folder: Path, seed: int) -> set[int]:
    """Write groups through the writer, cut the power somewhere, and return what was lost."""
    dice = random.Random(seed)
    disk = PowerLossDisk(f"writer-{seed}")
    path = folder / f"{seed}.db"
    acknowledged: list[int] = []
    at_cut: list[int] = []
    disk.at_cut = lambda: at_cut.extend(acknowledged)
    writer = Writer(path, on_fatal=fail, checkpoint=None, connect=disk.open_writer)
    await writer.submit(make_table)
    disk.cut_at = disk.events + dice.randrange(100)
    for first in range(0, 160, 4):
        futures = [writer.submit(insert(value)) for value in range(first, first + 4)]
        acknowledged += await asyncio.gather(*futures)
    disk.write_images(folder / f"after-{seed}", seed)
    writer.close()
    return set(at_cut) - values_after(folder / f"after-{seed}" / path.name)


def make_table(connection: apsw.Connection) -> None:
    connection.execute("CREATE TABLE t (value INTEGER PRIMARY KEY)")


def insert(value: int) -> Callable[[apsw.Connection], int]:
    def operation(connection: apsw.Connection) -> int:
        connection.execute("INSERT INTO t VALUES (?)", (value,))
        return value

    return operation


@pytest.mark.slow
async def test_what_the_writer_answered_survives_a_cut(tmp_path: Path) -> None:
    for seed in range(SEEDS):
        assert await lost_by_writer(tmp_path, seed) == set(), f"seed {seed}"
