"""The backlog says what waits for whom, and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app import town as towns
from tests.app.town import BEGIN_MS
from tocsin.wiring.metrics import build_backlog

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("layout", ["joint", "split"])
async def test_what_no_reader_has_handled_is_counted_with_its_age(
    tmp_path: Path, layout: str
) -> None:
    async with towns.opened(tmp_path, layout) as town:
        backlog = build_backlog(town.services.storage, town.services.clock, ())
        events = [{"type": "a.b", "source": "shop", "id": str(n)} for n in range(3)]
        await town.send(*events[:1])
        town.clock.advance(BEGIN_MS + 5_000)
        await town.send(*events[1:])
        town.clock.advance(BEGIN_MS + 7_000)
        await backlog.look()
        waiting = backlog.waiting["route", "transactional"]
        assert (waiting.records, waiting.oldest_ms) == (3, 7_000)
        town.start()
        await town.routed()
        await backlog.look()
        assert all(tuple(each) == (0, 0) for each in backlog.waiting.values())
        readers = {reader for reader, _ in backlog.waiting}
        assert readers == (
            {"route", "receipts"}
            if layout == "joint"
            else {"route", "receipts", "expand", "inbox", "ledger"}
        )
