"""One order, nobody else's messages, and a vendor that is away for hours: it arrives all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.delivering.site import Vendor, process
from tocsin.domain.records import Attempt, Settled
from tocsin.ports.simulator import Dial, Faults

HOUR_MS = 3_600_000
OUTAGES = ("down", Dial.FAIL, Dial.THROTTLE, Dial.TAKE_AND_DROP)


@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_order_survives_an_outage_of_hours(
    tmp_path: Path, vendor: Vendor, outage: str
) -> None:
    async with process(tmp_path, "joint", vendor) as site:
        await site.publish()
        site.start()
        ana = await site.person("ana", "ana-pager")
        if outage == "down":
            await vendor.simulator.set_faults(Faults(down=True))
        else:
            vendor.simulator.dial([Dial(outage)] * 10_000)
        event = await site.send("ana", 1)
        end_ms = site.clock.now_ms() + 6 * HOUR_MS

        async def later() -> bool:
            return site.clock.now_ms() >= end_ms

        await site.unhurried_until(later)
        (*_, last) = await site.history(event, ana)
        assert isinstance(last, Settled)
        assert last.state == "deferred"
        if outage == "down":
            await vendor.simulator.set_faults(Faults())
        else:
            vendor.simulator.dial([])
        began_ms = site.clock.now_ms()

        async def sent() -> bool:
            told = (await site.history(event, ana))[-1]
            return isinstance(told, Settled) and told.state == "sent"

        await site.unhurried_until(sent)
        made = [each for each in await site.history(event, ana) if isinstance(each, Attempt)]
        if last.known:
            # Nothing speaks against trying often, so it is there soon after the vendor is.
            assert site.clock.now_ms() - began_ms < HOUR_MS / 2
        else:
            assert len(made) <= 12


@pytest.mark.parametrize(("more", "state"), [({}, "failed"), ({"expires_in": "59m"}, "expired")])
async def test_patience_ends_at_the_expiry_or_when_it_was_long_enough(
    tmp_path: Path, vendor: Vendor, more: dict[str, Any], state: str
) -> None:
    async with process(tmp_path, "joint", vendor, patience="1h") as site:
        await site.publish()
        site.start()
        ana = await site.person("ana", "ana-pager")
        await vendor.simulator.set_faults(Faults(down=True))
        began_ms = site.clock.now_ms()
        event = await site.send("ana", 1, **more)
        found: list[Attempt | Settled] = []

        async def ended() -> bool:
            found[:] = await site.history(event, ana)
            return bool(found) and getattr(found[-1], "state", None) in {"failed", "expired"}

        # With longer steps a try that is due right before the end would come after it.
        await site.unhurried_until(ended, step_ms=1)
        last = found[-1]
        assert isinstance(last, Settled)
        assert (last.state, last.reason) == (state, "unreachable")
        # On the last millisecond, too.
        assert began_ms + HOUR_MS / 2 < last.at_ms <= began_ms + HOUR_MS
