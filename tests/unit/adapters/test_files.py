"""Blobs and the journal of opt-outs, as files."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.adapters.files.blobs import FolderBlobs
from tocsin.adapters.files.disk import BALLAST_FILE, FolderDisk
from tocsin.adapters.files.journal import FileOptOutJournal
from tocsin.errors import NotFound, StorageFailed, StorageFull


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FolderBlobs]:
    store = FolderBlobs(tmp_path / "blobs")
    yield store
    store.close()


def file_names(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


async def test_a_blob_is_read_whole_and_written_once(blobs: FolderBlobs, tmp_path: Path) -> None:
    await blobs.put("snapshots/fan-1.bin", b"body")
    await blobs.put("snapshots/fan-1.bin", b"body")

    assert await blobs.get("snapshots/fan-1.bin") == b"body"
    assert file_names(tmp_path) == ["fan-1.bin"]


async def test_a_blob_that_is_not_there_is_not_found(blobs: FolderBlobs) -> None:
    await blobs.put("a", b"1")
    await blobs.delete(["a", "b"])

    with pytest.raises(NotFound):
        await blobs.get("a")


@pytest.mark.parametrize("name", ["", "../x", "/etc/x", "a//b", "a/../b", ".hidden", "a/.b", "a\0"])
async def test_names_cannot_leave_the_folder(blobs: FolderBlobs, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a blob"):
        await blobs.get(name)


# ------------------------------------------------------------ journal


async def replayed(path: Path) -> list[bytes]:
    found: list[bytes] = []

    async def apply(entries: Sequence[bytes]) -> None:
        found.extend(entries)

    journal = FileOptOutJournal(path)
    assert await journal.replay(apply) == len(found)
    journal.close()
    return found


async def write(path: Path, *entries: bytes) -> None:
    journal = FileOptOutJournal(path)
    await journal.add(entries)
    journal.close()


async def test_entries_come_back_in_order_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "optouts"
    assert await replayed(path) == []
    await write(path, b"1", b"")
    await write(path, b"3")

    assert await replayed(path) == [b"1", b"", b"3"]


async def test_many_entries_come_in_slices(tmp_path: Path) -> None:
    path = tmp_path / "optouts"
    await write(path, *(b"%d" % n for n in range(2_500)))

    assert await replayed(path) == [b"%d" % n for n in range(2_500)]


async def test_a_torn_end_costs_what_was_torn_and_nothing_after_it(tmp_path: Path) -> None:
    path = tmp_path / "optouts"
    await write(path, b"first", b"torn entry")
    whole = path.read_bytes()
    for cut in range(1, len(b"torn entry") + 12):
        path.write_bytes(whole[:-cut])
        await write(path, b"later")

        assert await replayed(path) == [b"first", b"later"]


@given(
    entries=st.lists(st.binary(max_size=40), min_size=1, max_size=8),
    place=st.floats(0, 1, exclude_max=True),
    flipped=st.integers(1, 255),
)
async def test_damage_costs_the_entries_that_it_hit_and_no_others(
    entries: list[bytes], place: float, flipped: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "optouts"
    await write(path, *entries)
    whole = bytearray(path.read_bytes())
    at = int(place * len(whole))
    whole[at] ^= flipped
    path.write_bytes(whole)

    ends = [sum(12 + len(e) for e in entries[: n + 1]) for n in range(len(entries))]
    hit = next(n for n, end in enumerate(ends) if at < end)
    assert await replayed(path) == entries[:hit] + entries[hit + 1 :]


def test_a_ballast_takes_its_bytes_once_and_gives_them_back(tmp_path: Path) -> None:
    disk = FolderDisk(tmp_path, ballast_bytes=1_000_000)
    free, total = disk.room()
    assert 0 < free <= total
    disk.keep_ballast()
    disk.keep_ballast()
    file = tmp_path / BALLAST_FILE
    assert file.stat().st_size == 1_000_000
    assert file.stat().st_blocks * 512 >= 1_000_000
    assert [disk.drop_ballast(), disk.drop_ballast()] == [True, False]
    assert not file.exists()


def test_a_ballast_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    total = shutil.disk_usage(tmp_path).total
    with pytest.raises((StorageFull, StorageFailed)):
        FolderDisk(tmp_path, ballast_bytes=4 * total).keep_ballast()
    assert not list(tmp_path.iterdir())
