"""Thousands of deliveries to a service that fails in every way, on virtual time: nothing is lost."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.delivering.mixed import (
    BODY,
    check_attempts,
    check_order,
    check_takes,
    dials,
    histories_of,
    send_all,
    until_settled,
)
from tests.delivering.site import WORKFLOW, Vendor, process

PEOPLE = 400


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("layout", "deliveries"), [("joint", 10_000), ("split", 2_000)])
async def test_nothing_is_lost_and_only_what_is_unknown_is_repeated(
    tmp_path: Path, vendor: Vendor, layout: str, deliveries: int
) -> None:
    vendor.simulator.dial(dials(random.Random(7), deliveries))
    async with process(tmp_path, layout, vendor) as site:
        await site.publish({**WORKFLOW, "steps": [{"channel": "chat", "body": BODY}]})
        for n in range(PEOPLE):
            await site.person(f"p{n}", f"pager-{n}")
        site.start()
        await send_all(site, deliveries, PEOPLE)
        await until_settled(site, "chat", deliveries)
        histories = await histories_of(site)
        (wired,) = site.services.delivery.fleet.providers["chat"]
    assert len(histories) == deliveries
    check_attempts(histories, wired.settings.attempts_max)
    check_takes(vendor.simulator.taken, histories)
    assert check_order(vendor.simulator.taken, histories) < deliveries / 10
