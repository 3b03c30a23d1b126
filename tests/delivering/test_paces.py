"""What a vendor lets into each chat: kept by ourselves, so that it never has to say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.delivering.site import BEGIN_MS, LAYOUTS, Site, Vendor, process
from tocsin.channels.chat.slack.simulator import SlackSimulator
from tocsin.channels.chat.telegram.simulator import TelegramSimulator
from tocsin.ports.simulator import Stage

MESSAGES = 30


class Watch:
    """The time of the process that has begun last."""

    def __init__(self) -> None:
        self.site: Site | None = None

    def now_ms(self) -> int:
        return BEGIN_MS if self.site is None else self.site.clock.now_ms()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("played", "flooded", "other", "apart_ms"),
    [
        (TelegramSimulator, "-1001234567890", "1234567", 3_000),
        (TelegramSimulator, "1234567", "-1001234567890", 1_000),
        (SlackSimulator, "C0FLOODED", "C0OTHER", 1_000),
    ],
)
async def test_a_flooded_chat_waits_in_order_and_holds_up_nobody(
    tmp_path: Path,
    layout: str,
    played: type[TelegramSimulator | SlackSimulator],
    flooded: str,
    other: str,
    apart_ms: int,
) -> None:
    watch = Watch()
    async with Vendor(played(), Stage(now_ms=watch.now_ms)).serving() as vendor:
        async with process(tmp_path, layout, vendor) as site:
            watch.site = site
            await site.publish()
            crowd = await site.person("crowd", flooded, provider=vendor.simulator.provider)
            ana = await site.person("ana", other, provider=vendor.simulator.provider)
            site.start()
            for n in range(MESSAGES):
                await site.send(crowd.id, n)
            event = await site.send(ana.id, 0)
            await site.until_settled(event, ana, "sent")
            assert site.clock.now_ms() == BEGIN_MS

            async def all_there() -> bool:
                return len(site.simulator.taken) == MESSAGES + 1

            await site.unhurried_until(all_there)
        got = vendor.simulator.messages(to=flooded)[::-1]
        assert all(each.taken for each in got)
        assert [each.content["text"].split()[-1] for each in got] == [str(n) for n in range(30)]
        assert got[-1].received_ms - got[0].received_ms >= (MESSAGES - 3) * apart_ms
