"""What a cancel says of calls that were under way, and who waits behind what it cancels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.delivering.operating import client, driving
from tests.delivering.site import BEGIN_MS, Site, Vendor, process
from tocsin.domain.handoff_order import PATIENCE_MS
from tocsin.domain.ids import EventKey, delivery_key, event_key, notification_key
from tocsin.domain.records import Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.ports.log import Source, Step
from tocsin.ports.simulator import Dial


@pytest.mark.parametrize("dial", [Dial.STALL, Dial.TAKE_AND_DROP])
async def test_what_was_in_flight_is_so_until_it_has_settled(site: Site, dial: Dial) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([dial])
    event = await site.send("ana", 1, cancellation_key="k")
    await site.until_called(1)
    async with client(driving(site)) as local:
        answer = (await local.post("/v1/cancel", json={"cancellation_key": "k"})).json()
        assert answer["counts"] == {"in_flight": 1}
        assert (await local.get(answer["status"])).json()["counts"] == {"in_flight": 1}
        site.simulator.release()

        async def said() -> Any:
            return (await local.get(answer["status"])).json()["recipients"]

        async def settled() -> bool:
            await site.pass_time(60_000)
            return bool(await said() == [{"id": "ana", "verdict": "already_sent"}])

        await site.until(settled)
        await site.until_settled(event, ana, "sent", "failed")


@pytest.mark.parametrize("cancelled", [0, 1], ids=["the head", "one behind it"])
async def test_nobody_waits_for_one_that_was_cancelled(site: Site, cancelled: int) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.THROTTLE])
    events = []
    for n in range(3):
        events.append(await site.send("ana", n, cancellation_key=f"k{n}"))
        await site.until_settled(events[n], ana, "deferred")
    async with client(driving(site)) as local:
        body = {"cancellation_key": f"k{cancelled}"}
        assert (await local.post("/v1/cancel", json=body)).json()["counts"] == {"cancelled": 1}
    (run,) = (await site.services.history.explainer(events[cancelled], "ana")).runs
    assert [(d.state, d.waits_until_ms) for d in run.deliveries] == [("cancelled", None)]

    async def sent() -> bool:
        return len(site.simulator.taken) == 2

    await site.unhurried_until(sent)
    assert site.clock.now_ms() < BEGIN_MS + PATIENCE_MS["transactional"]


async def test_who_was_to_wait_when_a_cancel_had_come_holds_up_nobody(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    """As a lane writes that decided before it could know, and dies."""
    async with process(tmp_path, layout, vendor) as site:
        await site.publish()
        ana = await site.person("ana", "ana-pager")
        gone = delivery_key(notification_key(EventKey(bytes(16)), 0, ana.number), 0, 1)
        about, now_ms = (gone, "transactional", "chat"), site.clock.now_ms()
        later = Settled(*about, "deferred", "throttled", now_ms, attempt=1, until_ms=now_ms + 1)
        histories = site.services.delivery.histories
        await histories.add([Settled(*about, "cancelled", "cancelled", now_ms), later])
        site.start()
        await site.until_settled(await site.send("ana", 1), ana, "sent")


async def test_who_was_put_into_a_line_after_a_cancel_long_past_holds_up_nobody(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    """What the next owner reads begins behind the cancel."""
    async with process(tmp_path, layout, vendor) as site:
        await site.publish()
        ana = await site.person("ana", "ana-pager")
        log, now_ms = site.services.storage.log, site.clock.now_ms()
        gone = delivery_key(notification_key(event_key(now_ms, bytes(10)), 0, ana.number), 0, 1)
        about = (gone, "transactional", "chat")
        partition = log.partition_of(OUTCOMES, ana.number)
        histories = site.services.delivery.histories
        await histories.add([Settled(*about, "cancelled", "cancelled", now_ms)])
        group = "deliver.chat.transactional"
        epoch, floor = await log.acquire(group, OUTCOMES, partition)
        end = log.end(OUTCOMES, partition)
        await log.commit(Step((Source(group, OUTCOMES, partition, floor, end, epoch),), ()))
        later = Settled(*about, "deferred", "throttled", now_ms, attempt=1, until_ms=now_ms + 1)
        await histories.add([later])
        site.start()
        await site.until_settled(await site.send("ana", 1), ana, "sent")
