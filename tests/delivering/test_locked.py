"""A store that is locked for a moment holds nothing up for longer, also where time stands."""

from __future__ import annotations

from pathlib import Path

from tests.delivering.reporting import report, told
from tests.delivering.site import Site, Vendor, delivery_of, process
from tests.support.locked import Locked
from tocsin.domain.ids import show_delivery


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
    assert {"route", "deliver.chat.transactional", "receipts"} <= locked.again


async def _page(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    event = await site.send("ana", 1)
    await site.until_called(1)
    await site.until_settled(event, ana, "sent")
    await report(site, {"ref": show_delivery(delivery_of(event, ana)), "state": "delivered"})
    await told(site)
    await site.until_settled(event, ana, "delivered")
    assert [each.text for each in site.simulator.taken] == ["Alarm 1"]
