"""A store that is locked for a moment holds nothing up for longer, also where time stands."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.delivering.reporting import report, told
from tests.delivering.site import Site, Vendor, delivery_of, process
from tocsin.domain.ids import show_delivery
from tocsin.errors import Unavailable
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores


class Locked:
    """Stands before the log, which is locked for the first commit of each group."""

    def __init__(self) -> None:
        self.met: Counter[str] = Counter()

    def around(self, storage: Storage, stores: Stores) -> tuple[Storage, Stores]:
        locked: Any = _LockedLog(storage.log, self.met)
        return replace(storage, log=locked), stores


class _LockedLog:
    def __init__(self, log: Any, met: Counter[str]) -> None:
        self._log = log
        self._met = met

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def commit(self, step: Any, *more: Any) -> Any:
        group = step.sources[0].group
        self._met[group] += 1
        if self._met[group] == 1:
            raise Unavailable("the store is locked; nothing of this was stored")
        return await self._log.commit(step, *more)


async def test_who_finds_the_log_locked_tries_again_though_time_stands(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    locked = Locked()
    async with process(tmp_path, layout, vendor, around=locked.around) as site:
        await site.publish()
        site.start()
        begun_ms = site.clock.now_ms()
        await _page(site)
        assert site.clock.now_ms() == begun_ms
    again = {group for group, times in locked.met.items() if times > 1}
    assert {"route", "deliver.chat.transactional", "receipts"} <= again


async def _page(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    event = await site.send("ana", 1)
    await site.until_called(1)
    await site.until_settled(event, ana, "sent")
    await report(site, {"ref": show_delivery(delivery_of(event, ana)), "state": "delivered"})
    await told(site)
    await site.until_settled(event, ana, "delivered")
    assert [each.text for each in site.simulator.taken] == ["Alarm 1"]
