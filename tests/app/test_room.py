"""A disk that fills up, as producers and operators see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from tests.app.sending_site import SendingSite, inbox_and_push
from tests.unit.app.test_room import Shelf
from tocsin.adapters.files.disk import FolderDisk
from tocsin.wiring.stores import Stores


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(0)


@pytest.fixture
async def site(tmp_path: Path, shelf: Shelf) -> AsyncIterator[SendingSite]:
    def around(stores: Stores) -> Stores:
        return replace(stores, disk=cast("FolderDisk", shelf))

    made = SendingSite(tmp_path, "joint", around=around)
    await made.open()
    for lane in ("critical", "bulk"):
        await made.publish({**inbox_and_push(lane), "lane": lane})
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("used", "critical", "bulk", "warnings"),
    [
        (0, 202, 202, []),
        (920, 202, 202, ["disk: 8.0 % is free"]),
        (960, 202, 503, ["disk: 4.0 % is free; bulk is stopped"]),
        (990, 503, 503, ["disk: 1.0 % is free; all is stopped"]),
    ],
)
async def test_bulk_is_stopped_before_the_rest(
    site: SendingSite, shelf: Shelf, used: int, critical: int, bulk: int, warnings: list[str]
) -> None:
    shelf.used = used
    site.services.room.look()
    async with await site.client() as client:
        answers = {
            lane: await client.post("/v1/events", json={"type": lane, "recipients": ["ana"]})
            for lane in ("critical", "bulk")
        }
        ready = (await client.get("/readyz")).json()
        metrics = (await client.get("/metrics")).text
    assert [answers[lane].status_code for lane in ("critical", "bulk")] == [critical, bulk]
    for answer in answers.values():
        if answer.status_code == 503:
            assert answer.json()["code"] == "storage_low"
            assert int(answer.headers["retry-after"]) > 0
    assert ready["warnings"] == warnings
    assert f"tocsin_disk_level {float(site.services.room.level)}" in metrics
