"""What `tocsin.ports.cache.Blobs` promises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tocsin.adapters.files.blobs import FolderBlobs
from tocsin.errors import NotFound
from tocsin.ports.cache import Blobs


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[Blobs]:
    store = FolderBlobs(tmp_path / "blobs")
    yield store
    store.close()


async def test_names_are_those_of_one_folder_in_their_order(blobs: Blobs) -> None:
    assert await blobs.names("some") == []
    for name in ("some/b", "some/a", "some/below/c", "other/d", "somewhere", "some/a"):
        await blobs.put(name, b"x")
    assert await blobs.names("some") == ["some/a", "some/b"]
    await blobs.delete(["some/a", "some/none"])
    assert await blobs.names("some") == ["some/b"]


async def test_what_was_removed_is_not_found_and_may_be_written_again(blobs: Blobs) -> None:
    await blobs.put("some/a", b"1")
    await blobs.delete(["some/a"])
    with pytest.raises(NotFound):
        await blobs.get("some/a")
    await blobs.put("some/a", b"2")
    assert await blobs.get("some/a") == b"2"
