"""
Every provider over its simulator, with three calls in ten that go wrong, on virtual time.

``TOCSIN_TEST_DELIVERIES`` says how many deliveries each of them gets. 10,000 takes about a minute
for each, which is more than CI has for all; so by default they are fewer, and a change of a
provider is tried with all of them by hand.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import cast

import pytest

from tests.delivering.mixed import (
    BODY,
    STEP_MS,
    check_attempts,
    check_order,
    check_takes,
    dials,
    histories_of,
    send_all,
    until_settled,
)
from tests.delivering.site import Played, Vendor, process
from tocsin.channels.registry import Registry, folders, loaded
from tocsin.ports.provider import ProviderSpec

DELIVERIES = int(os.environ.get("TOCSIN_TEST_DELIVERIES", "300"))
EACH = 25
"""Deliveries to one address."""
EACH_CALL = 10
"""Calls to one: nobody takes any here, so that each rings on, and those behind it wait for hours."""
CALL_STEP_MS = 300_000
SPECS = list(Registry(folders()).specs.values())


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("spec", SPECS, ids=[spec.name for spec in SPECS])
async def test_nothing_is_lost_and_only_what_is_unknown_is_repeated(
    tmp_path: Path, spec: ProviderSpec
) -> None:
    rings = spec.channel == "voice"
    people = max(1, DELIVERIES // (EACH_CALL if rings else EACH))
    async with Vendor(cast(Played, loaded(spec.simulator)())).serving() as vendor:
        # More than there are messages, so that what is tried again may go wrong again.
        vendor.simulator.dial(dials(random.Random(spec.name), 3 * DELIVERIES))
        # A documented rate would only make the virtual time longer.
        async with process(
            tmp_path, "joint", vendor, rate_per_second=1_000_000.0, burst=1_000_000
        ) as site:
            steps = [{"channel": spec.channel, "title": "Alarm", "body": BODY}]
            await site.publish({"key": "alarm", "steps": steps})
            for n in range(people):
                address = vendor.simulator.address(n + 1)
                await site.person(f"p{n}", address, channel=spec.channel, provider=spec.name)
            site.start()
            await send_all(site, DELIVERIES, people)
            wired = site.services.delivery.fleet.by_name()[spec.name]
            # Who is tried again after minutes has nothing to do for most steps of seconds.
            step_ms = CALL_STEP_MS if rings else max(STEP_MS, wired.settings.retry_base_ms // 2)
            await until_settled(site, spec.channel, DELIVERIES, step_ms)
            histories = await histories_of(site)
        taken = vendor.simulator.taken
    assert len(histories) == DELIVERIES
    assert len({each.reference for each in taken}) > DELIVERIES / 2
    check_attempts(histories, wired.settings.attempts_max)
    check_takes(taken, histories)
    check_order(taken, histories)
