"""Pushes all the way: from an event to every device, and dead ones out of the registry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.delivering.site import LAYOUTS, Site, Vendor, delivery_of, process
from tocsin.channels.push.fcm.simulator import FcmSimulator
from tocsin.domain.recipient import Recipient
from tocsin.ports.simulator import Faults, Received

WORKFLOW = {
    "key": "alarm",
    "steps": [
        {"channel": "inbox", "title": "Order {{ data.n }}", "body": "It is on its way"},
        {
            "channel": "push",
            "collapse_key": "order-{{ data.n }}",
            "options": {
                "fcm": {"data": {"order": "{{ data.n }}"}, "android": {"priority": "normal"}},
                "apns": {"thread_id": "x"},
            },
        },
    ],
}
OTHER = {**WORKFLOW, "key": "other"}


@pytest.fixture(params=LAYOUTS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with (
        Vendor(FcmSimulator()).serving() as vendor,
        process(tmp_path, request.param, vendor, retry_base="1s") as site,
    ):
        site.start()
        await site.publish(WORKFLOW)
        await site.publish(OTHER)
        yield site


async def ana(site: Site, devices: int = 1) -> Recipient:
    tokens = [site.simulator.address(n) for n in range(1, devices + 1)]
    return await site.person("ana", *tokens, channel="push", provider="fcm")


async def pushed(site: Site, count: int) -> list[Received]:
    """All that arrived, the oldest first, as soon as there are so many."""

    async def there() -> bool:
        return len(site.simulator.messages()) >= count

    await site.until(there)
    return list(site.simulator.messages())[::-1]


def body_of(received: Received) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(received.raw.partition(b"\r\n\r\n")[2])
    message: dict[str, Any] = found["message"]
    return message


async def test_a_push_says_what_the_step_says_to_its_vendor(site: Site) -> None:
    await ana(site)
    await site.send("ana", 42)
    (received,) = await pushed(site, 1)
    message = body_of(received)
    assert message["notification"] == {"title": "Order 42", "body": "It is on its way"}
    assert message["data"]["order"] == "42"
    assert message["data"]["tocsin"] == received.reference
    assert (message["android"]["priority"], message["android"]["collapse_key"]) == (
        "normal",
        "order-42",
    )


async def test_each_device_is_a_delivery_of_its_own(site: Site) -> None:
    one = await ana(site, 3)
    event = await site.send("ana", 1)
    found = await pushed(site, 3)
    assert {each.to for each in found} == {site.simulator.address(n) for n in (1, 2, 3)}
    assert len({each.reference for each in found}) == 3
    key = delivery_of(event, one)
    assert {each.reference[4:36] for each in found} == {key[:16].hex()}


async def test_the_number_on_the_app_is_that_of_the_unseen(site: Site) -> None:
    await ana(site)
    seen = []
    for n in range(1, 4):
        await site.send("ana", n)
        message = body_of((await pushed(site, n))[-1])
        seen.append(message["android"]["notification"]["notification_count"])
        assert message["apns"]["payload"]["aps"]["badge"] == seen[-1]
    # In the split layout the view that counts may be a moment behind.
    assert all(n - 1 <= each <= n for n, each in enumerate(seen, 1))


async def test_a_dead_device_gets_nothing_more_from_any_workflow(site: Site) -> None:
    one = await ana(site, 2)
    dead, alive = site.simulator.address(1), site.simulator.address(2)
    await site.simulator.set_faults(Faults(dead=(dead,)))
    await site.send("ana", 1)
    await pushed(site, 2)
    store = site.services.stores.recipients

    async def buried() -> bool:
        (found,) = (await store.by_number([one.number])).values()
        return found.addresses[0].dead_ms is not None

    await site.until(buried)
    await site.send("ana", 2, type="other")
    third = (await pushed(site, 3))[2:]
    assert [each.to for each in third] == [alive]
    await site.send("ana", 3)
    assert [each.to for each in (await pushed(site, 4))[3:]] == [alive]
