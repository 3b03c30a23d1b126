"""Vendors that report what became of a message before they have answered the call that brought it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from tests.delivering.mixed import BODY
from tests.delivering.reporting import states, told
from tests.delivering.site import Played, Vendor, delivery_of, process
from tocsin.channels.registry import Registry, folders, loaded
from tocsin.domain.ids import show_delivery
from tocsin.ports.provider import ProviderSpec
from tocsin.ports.receipts import Callback, Response
from tocsin.ports.simulator import Action, Deed, Dial

SPECS = [
    spec
    for spec in Registry(folders()).specs.values()
    if Action.DELIVER in loaded(spec.simulator).actions
]


@pytest.mark.parametrize("spec", SPECS, ids=[spec.name for spec in SPECS])
async def test_a_report_before_the_answer_comes_to_the_same(
    tmp_path: Path, layout: str, spec: ProviderSpec
) -> None:
    async with (
        Vendor(cast(Played, loaded(spec.simulator)())).serving() as vendor,
        process(tmp_path, layout, vendor) as site,
    ):
        steps = [{"channel": spec.channel, "title": "Alarm", "body": BODY}]
        await site.publish({"key": "alarm", "steps": steps})
        address = vendor.simulator.address(1)
        one = await site.person("ana", address, channel=spec.channel, provider=spec.name)
        vendor.simulator.dial([Dial.STALL])
        site.start()
        event = await site.send("ana", 1)
        await site.until_taken(1)

        async def tell(callback: Callback) -> Response:
            return await site.services.delivery.callbacks.receive(spec.name, callback)

        async def report() -> None:
            (message,) = vendor.simulator.messages()
            deed = Deed(message.id, Action.DELIVER, site.services.wall_ms())
            await vendor.simulator.act(deed, tell)
            await told(site)

        await report()
        await report()
        assert await states(site, event, one) == []
        vendor.simulator.release()
        await site.until_settled(event, one, "delivered")
        # A call rings on at first, everything else is sent.
        reached = await states(site, event, one)
        assert reached.count("delivered") == 1
        await report()
        assert await states(site, event, one) == reached
        references = [reference for call in vendor.simulator.calls for reference in call]
        assert references == [show_delivery(delivery_of(event, one))]
