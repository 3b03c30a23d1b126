"""Waits and receipts that came while the call that they are about was under way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.delivering.reporting import WAITING, pages, report, said, states, told
from tests.delivering.site import BEGIN_MS, Site, Vendor, delivery_of, process
from tocsin.domain.ids import show_delivery
from tocsin.domain.recipient import Recipient
from tocsin.domain.topics import RECEIPTS
from tocsin.errors import Unavailable
from tocsin.ports.simulator import Dial, Faults
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores

HOUR_MS = 3_600_000


class NoRoom:
    """Stands before the log, which takes no receipts while it is full."""

    def __init__(self) -> None:
        self.full = False

    def around(self, storage: Storage, stores: Stores) -> tuple[Storage, Stores]:
        log: Any = _FullLog(storage.log, self)
        return replace(storage, log=log), stores


class _FullLog:
    def __init__(self, log: Any, room: NoRoom) -> None:
        self._log = log
        self._room = room

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, outputs: Any) -> Any:
        if self._room.full and any(each.topic == RECEIPTS for each in outputs):
            raise Unavailable("the disk is full; nothing of this was stored")
        return await self._log.append(outputs)


async def reported_early(site: Site, word: str = "delivered") -> tuple[bytes, Recipient]:
    """Have a page reported on while its call is under way, and the report kept aside."""
    await site.publish(WAITING)
    one = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.STALL])
    site.start()
    event = await site.send("ana", 1)
    await site.until_called(1)
    await report(site, {"ref": show_delivery(delivery_of(event, one)), "state": word})
    await told(site)
    assert site.services.stores.orphans.references()
    return event, one


async def sent_with_a_full_log(
    site: Site, room: NoRoom, word: str = "delivered"
) -> tuple[bytes, Recipient]:
    """Let the call end while what was reported cannot be put back on the log."""
    event, one = await reported_early(site, word)
    room.full = True
    site.simulator.release()
    await site.until_settled(event, one, "sent")
    return event, one


async def until_not_needed(site: Site, event: bytes) -> None:
    async def decided() -> bool:
        text = await said(site, event, "ana")
        return "not get it by chat because" in text

    await site.until(decided)
    assert len(await pages(site, 1)) == 1


@pytest.mark.parametrize("word", ["delivered", "opened", "acknowledged"])
async def test_what_is_kept_aside_ends_a_wait(
    tmp_path: Path, layout: str, vendor: Vendor, word: str
) -> None:
    """Though it cannot be told before the time of the wait is over."""
    room = NoRoom()
    async with process(tmp_path, layout, vendor, around=room.around) as site:
        event, one = await sent_with_a_full_log(site, room, word)
        await site.pass_time(HOUR_MS)
        await until_not_needed(site, event)
        assert await states(site, event, one) == ["sent"]
        room.full = False
        await site.live_until(lambda: _is(site, event, one, word))


@pytest.mark.parametrize("on_unknown", ["give_up", "resend"])
async def test_what_is_kept_aside_proves_that_a_lost_answer_was_a_yes(
    tmp_path: Path, layout: str, vendor: Vendor, on_unknown: str
) -> None:
    async with process(tmp_path, layout, vendor, on_unknown=on_unknown) as site:
        event, one = await reported_early(site)
        await vendor.simulator.set_faults(Faults(down=True))
        await site.until_settled(event, one, "delivered")
        assert await states(site, event, one) == ["sent", "delivered"]
        await until_not_needed(site, event)


async def test_what_ends_no_wait_leaves_it_its_time(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    room = NoRoom()
    async with process(tmp_path, layout, vendor, around=room.around) as site:
        await sent_with_a_full_log(site, room, "failed")
        await site.pass_time(HOUR_MS)
        assert sorted(await pages(site, 2)) == ["Again 1", "Alarm 1"]


async def test_what_was_kept_aside_ends_a_wait_of_whoever_starts_next(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    """The call that it is about had no outcome when the process died."""
    async with process(tmp_path, layout, vendor) as site:
        event, one = await reported_early(site)
    room = NoRoom()
    room.full = True
    later_ms = BEGIN_MS + HOUR_MS
    async with process(tmp_path, layout, vendor, later_ms, around=room.around) as site:
        site.start()
        await site.until_settled(event, one, "sent")
        await site.pass_time(HOUR_MS)
        await until_not_needed(site, event)


async def test_it_ends_the_wait_though_the_process_dies_and_the_time_passes_meanwhile(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    """The outcome was durable, and the receipt was not let go."""
    room = NoRoom()
    async with process(tmp_path, layout, vendor, around=room.around) as site:
        event, one = await sent_with_a_full_log(site, room)
    later_ms = BEGIN_MS + 2 * HOUR_MS
    async with process(tmp_path, layout, vendor, later_ms, around=room.around) as site:
        site.start()
        await until_not_needed(site, event)
        await site.until_settled(event, one, "delivered")


async def _is(site: Site, event: bytes, one: Recipient, state: str) -> bool:
    return state in await states(site, event, one)
