"""Endpoints that fail for too long: not called any more, and their owner is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.delivering.operating import client, driving
from tests.delivering.site import LAYOUTS, Site, Vendor, delivery_of, process
from tocsin.app.inbox import Filter, Reader
from tocsin.channels.webhook.http.simulator import WebhookSimulator
from tocsin.config import Deliver
from tocsin.domain.recipient import Address, Recipient
from tocsin.ports.simulator import Dial

HOUR_MS = 3_600_000
WORKFLOW = {
    "key": "alarm",
    "steps": [{"channel": "webhook", "title": "Order {{ data.n }}", "body": "Cancelled"}],
}
TOLD = {
    "key": "endpoints",
    "on": ["tocsin.endpoint.disabled"],
    "steps": [{"channel": "inbox", "title": "{{ data.endpoint }} is off", "body": "See to it"}],
}
PATIENCE = Deliver(endpoint_failing_max_ms=HOUR_MS, endpoint_failures_min=3)


@pytest.fixture(params=LAYOUTS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with (
        Vendor(WebhookSimulator()).serving() as vendor,
        process(tmp_path, request.param, vendor, deliver=PATIENCE, retry_base="1s") as site,
    ):
        site.start()
        await site.publish(WORKFLOW)
        await site.publish(TOLD)
        yield site


async def shop(site: Site) -> Recipient:
    return await site.person("shop", site.simulator.address(1), channel="webhook")


async def address(site: Site) -> Address:
    (one,) = (await site.services.stores.recipients.by_id(["shop"])).values()
    return one.addresses[0]


async def until_disabled(site: Site) -> None:
    site.simulator.dial([Dial.FAIL] * 500)

    async def disabled() -> bool:
        return (await address(site)).disabled_ms is not None

    for n in range(3):
        await site.send("shop", n)
    await site.unhurried_until(disabled)


async def settled(site: Site, event: bytes, one: Recipient) -> tuple[str, str] | None:
    delivery = delivery_of(event, one)
    found = (await site.services.storage.ledger.settled([delivery])).get(delivery)
    return None if found is None else (found.state, found.reason)


async def titles(site: Site, one: Recipient) -> list[str]:
    page = await site.services.inbox.page(Reader(one.number, one.id), Filter(), after=None, limit=9)
    return [msgspec.json.decode(each)["title"] for each in page.items]


async def test_one_that_fails_for_too_long_is_not_called_and_its_owner_hears_of_it(
    site: Site,
) -> None:
    one = await shop(site)
    await until_disabled(site)
    now = await address(site)
    assert now.failing_ms is not None
    assert now.disabled_ms is not None
    assert now.disabled_ms - now.failing_ms >= HOUR_MS
    calls = len(site.simulator.calls)
    event = await site.send("shop", 9)

    async def kept_back() -> bool:
        return await settled(site, event, one) == ("suppressed", "address_disabled")

    await site.until(kept_back)
    said = (await site.services.history.explainer(event, "shop")).sentence
    assert "its endpoint had failed for too long and is not called any more" in said
    assert "[address.disabled_at]" in said
    await site.live(2 * HOUR_MS)
    assert len(site.simulator.calls) == calls

    async def told() -> bool:
        return len(await titles(site, one)) == 1

    await site.until(told)
    assert await titles(site, one) == ["https://canary-1.example/… is off"]


async def test_it_is_called_again_when_somebody_enables_it(site: Site) -> None:
    one = await shop(site)
    await until_disabled(site)
    async with client(driving(site), "backend") as http:
        path = "/v1/recipients/shop/addresses"
        (shown,) = (await http.get(path)).json()["items"]
        assert shown["disabled_at"] is not None
        assert shown["failing_since"] is not None
        enabled = (await http.post(f"{path}/1/enable")).json()
        assert (enabled["disabled_at"], enabled["failing_since"]) == (None, None)
        assert (await http.post(f"{path}/2/enable")).status_code == 404
    site.simulator.dial([])
    event = await site.send("shop", 9)
    await _sent(site, event, one)


async def test_it_is_called_again_when_it_is_written_again(site: Site) -> None:
    one = await shop(site)
    await until_disabled(site)
    async with client(driving(site), "backend") as http:
        body = {"channel": "webhook", "address": site.simulator.address(1)}
        again = (await http.post("/v1/recipients/shop/addresses", json=body)).json()
        assert (again["number"], again["disabled_at"]) == (1, None)
    site.simulator.dial([])
    event = await site.send("shop", 9)
    await _sent(site, event, one)


async def test_one_success_in_between_is_enough(site: Site) -> None:
    one = await shop(site)
    site.simulator.dial([Dial.FAIL])
    event = await site.send("shop", 1)
    await site.until_settled(event, one, "deferred")
    assert (await address(site)).failing_ms is not None
    await _sent(site, event, one)
    assert (await address(site)).failing_ms is None


async def test_who_has_too_much_to_do_is_not_counted(site: Site) -> None:
    one = await shop(site)
    site.simulator.dial([Dial.THROTTLE])
    event = await site.send("shop", 1)
    await site.until_settled(event, one, "deferred")
    assert (await address(site)).failing_ms is None


async def _sent(site: Site, event: bytes, one: Recipient) -> None:
    async def sent() -> bool:
        return await settled(site, event, one) == ("sent", "accepted")

    await site.unhurried_until(sent)
