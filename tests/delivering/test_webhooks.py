"""Webhooks all the way: from an event to a receiver, and back into the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.delivering.site import LAYOUTS, Site, Vendor, process
from tocsin.channels.webhook.http.simulator import WebhookSimulator
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Settled
from tocsin.ports.outcomes import ProviderReason
from tocsin.ports.simulator import Dial

WORKFLOW = {
    "key": "alarm",
    "steps": [{"channel": "webhook", "title": "Order {{ data.n }}", "body": "Cancelled"}],
}


@pytest.fixture(params=LAYOUTS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with (
        Vendor(WebhookSimulator()).serving() as vendor,
        process(tmp_path, request.param, vendor, retry_base="1s") as site,
    ):
        site.start()
        await site.publish(WORKFLOW)
        yield site


async def warehouse(site: Site) -> Recipient:
    return await site.person("warehouse", site.simulator.address(1), channel="webhook")


async def test_a_notification_arrives_signed_with_what_the_event_carried(site: Site) -> None:
    one = await warehouse(site)
    event = await site.send("warehouse", 42, tenant="acme")
    await site.until_settled(event, one, "sent")
    (seen,) = site.simulator.messages()
    assert (seen.to, seen.content["signature"]) == (site.simulator.address(1), "valid")
    body = msgspec.json.decode(seen.raw.partition(b"\r\n\r\n")[2])
    data = body["data"]
    assert (data["title"], data["recipient"], data["tenant"]) == ("Order 42", "warehouse", "acme")
    assert (data["workflow"], data["category"]) == ("alarm", "general")
    assert (data["event"]["type"], data["data"]) == ("alarm", {"n": 42})
    assert data["id"][4:] == data["delivery"][4:36]
    assert seen.reference == data["delivery"]


async def test_data_of_one_recipient_is_hers_alone(site: Site) -> None:
    people = [{"id": name, "data": {"own": name}} for name in ("warehouse", "other")]
    await site.person("other", site.simulator.address(2), channel="webhook")
    one = await warehouse(site)
    event = await site.send("x", 1, recipients=people)
    await site.until_settled(event, one, "sent")
    await site.until_taken(2)
    found = {
        each.to: msgspec.json.decode(each.raw.partition(b"\r\n\r\n")[2])["data"]["data"]
        for each in site.simulator.messages()
    }
    assert found == {
        site.simulator.address(1): {"n": 1, "own": "warehouse"},
        site.simulator.address(2): {"n": 1, "own": "other"},
    }


async def test_a_failing_receiver_is_tried_again_under_the_same_id(site: Site) -> None:
    one = await warehouse(site)
    site.simulator.dial([Dial.FAIL, Dial.THROTTLE, Dial.DROP])
    event = await site.send("warehouse", 1)
    for made in range(1, 4):

        async def deferred(times: int = made) -> bool:
            told = [each for each in await site.history(event, one) if isinstance(each, Settled)]
            return len(told) == times

        await site.until(deferred)
        await site.pass_time(60_000)
    await site.until_settled(event, one, "sent")
    assert len(set(site.simulator.calls)) == 1
    assert len(site.simulator.calls) == 4


async def test_a_receiver_that_has_gone_is_not_called_again(site: Site) -> None:
    one = await warehouse(site)
    site.simulator.dial([Dial.DEAD_ADDRESS])
    first = await site.send("warehouse", 1)
    history = await site.until_settled(first, one, "failed")
    assert isinstance(history[-1], Settled)
    assert (history[-1].reason, history[-1].detail) == (ProviderReason.DEAD_ADDRESS, "410")
    stored = (await site.services.stores.recipients.by_number([one.number]))[one.number]
    assert stored.addresses[0].dead_ms is not None
