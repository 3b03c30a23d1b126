"""What the recipient's own app says, and presses of a button."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import httpx2
import pytest

from tests.delivering.operating import client, driving
from tests.delivering.reporting import WAITING, pages, report, said, states, told
from tests.delivering.site import BEGIN_MS, Site, delivery_of
from tocsin.domain.ids import show_delivery
from tocsin.ports.simulator import Dial
from tocsin.wiring.http import Driving


@asynccontextmanager
async def app_of(behind: Driving, name: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client with the token of a recipient's app."""
    async with client(behind) as local:
        made = await local.post("/v1/tokens", json={"recipient": name, "scopes": ["inbox"]})
    app = httpx2.ASGITransport(app=behind.api.network())
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    async with httpx2.AsyncClient(
        transport=app, base_url="http://tocsin.test", headers=headers
    ) as http:
        yield http


@pytest.mark.parametrize(
    ("said", "came"),
    [
        ("received", ["sent", "delivered"]),
        ("clicked", ["sent", "delivered", "clicked"]),
        ("acknowledged", ["sent", "delivered", "acknowledged"]),
    ],
)
async def test_the_recipients_own_app_can_say_so(site: Site, said: str, came: list[str]) -> None:
    one = await site.person("ana", "ana-pager")
    event = await site.send("ana", 1)
    await site.until_settled(event, one, "sent")
    path = f"/v1/deliveries/{show_delivery(delivery_of(event, one))}/{said}"
    async with app_of(driving(site), "ana") as app:
        for _ in range(2):
            answer = await app.post(path)
            assert (answer.status_code, answer.content) == (204, b"")
    await site.until_settled(event, one, came[-1])
    await told(site)
    assert await states(site, event, one) == came


async def test_an_app_that_hears_before_the_vendors_answer_is_believed(site: Site) -> None:
    one = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.STALL])
    event = await site.send("ana", 1)
    await site.until_called(1)
    async with app_of(driving(site), "ana") as app:
        path = f"/v1/deliveries/{show_delivery(delivery_of(event, one))}/received"
        assert (await app.post(path)).status_code == 204
    await told(site)
    site.simulator.release()
    await site.until_settled(event, one, "delivered")
    assert await states(site, event, one) == ["sent", "delivered"]


async def test_an_app_can_say_nothing_of_what_is_anothers_or_was_never_on_its_way(
    site: Site,
) -> None:
    one = await site.person("ana", "ana-pager")
    await site.person("bob", "bob-pager")
    event = await site.send("ana", 1)
    await site.until_settled(event, one, "sent")
    sent = delivery_of(event, one)
    never = delivery_of((BEGIN_MS - 1).to_bytes(6, "big") + bytes(10), one)
    behind = driving(site)
    for name, delivery in (("bob", sent), ("ana", never)):
        async with app_of(behind, name) as app:
            answer = await app.post(f"/v1/deliveries/{show_delivery(delivery)}/received")
            assert answer.status_code == 404
    await told(site)
    assert await states(site, event, one) == ["sent"]


async def test_a_press_on_the_button_ends_the_wait_for_it(site: Site) -> None:
    wait = {"wait": {"for": "1h", "unless": "acknowledged"}}
    first, _, again = cast(list[object], WAITING["steps"])
    await site.publish({**WAITING, "steps": [first, wait, again]})
    one = await site.person("ana", "ana-pager")
    event = await site.send("ana", 1)
    await site.until_settled(event, one, "sent")
    reference = show_delivery(delivery_of(event, one))
    await report(site, {"ref": reference, "state": "delivered"})
    await told(site)
    assert "waits for the step again" in await said(site, event, "ana")
    await report(site, {"ref": reference, "state": "acknowledged"})

    async def over() -> bool:
        return "because an earlier channel had done it" in await said(site, event, "ana") or (
            "because it was acknowledged" in await said(site, event, "ana")
        )

    await site.until(over)
    await site.pass_time(7_200_000)
    assert await pages(site, 1) == ["Alarm 1"]
