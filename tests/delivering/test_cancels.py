"""What the status of a cancel says of calls that were under way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delivering.operating import client, driving
from tests.delivering.site import Site
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
