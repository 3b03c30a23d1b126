"""What has come due during an outage: fired in slices, in order, and in nobody's way."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.runs import INBOX, PUSH
from tests.app.sending_site import HOUR_MS, NOON_MS, SendingSite
from tocsin.app.routing.intervals import interval_timer
from tocsin.domain.ids import EventKey, event_key, notification_key
from tocsin.domain.intervals import interval_key
from tocsin.domain.preferences import Preferences, QuietHours
from tocsin.domain.records import Continue, encode
from tocsin.ports.state import Timer

_ROWS = 20_000
_SLICE = 1_000


@pytest.fixture(params=["joint", "split"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SendingSite]:
    made = SendingSite(tmp_path, request.param)
    await made.open()
    await made.publish({"key": "alarm", "on": ["alarm"], "lane": "critical", "steps": [INBOX]})
    yield made
    await made.close()


def _timer(number: int, due_ms: int) -> Timer:
    """A run of an event that is not kept: it costs route a look and nothing else."""
    event = event_key(due_ms - HOUR_MS, number.to_bytes(10, "big"))
    about = interval_key(notification_key(EventKey(event), 0, number + 1), 0)
    key = interval_timer(about)
    record = Continue(key, due_ms, "bulk", 0, 1 << 30, 0, number + 1, 0)
    return Timer(key, due_ms, "events.bulk", 0, encode(record), about, "delay")


async def test_an_outage_is_made_up_in_order_and_critical_events_pass(site: SendingSite) -> None:
    rows = [_timer(n, NOON_MS + n // 3) for n in range(_ROWS)]
    timers = site.services.stores.timers
    shuffled = random.Random(3).sample(rows, len(rows))
    for first in range(0, len(rows), 5_000):
        await timers.claim_arm(shuffled[first : first + 5_000])
    await timers.known([b"nothing"])
    site.clock.advance(NOON_MS + 6 * HOUR_MS)
    log = site.services.storage.log
    behind: list[int] = []
    site.follow()
    while await site.services.timers.fire():
        fired = sum(log.end("events.bulk", p) for p in range(log.partitions))
        if fired in {_SLICE, _ROWS // 2}:
            event = await site.send(type="alarm", recipients=["ana"])
            # Nothing else is fired meanwhile, so it is not behind more than what was before.
            await site.until("shown", lambda event=event: _has_plan(site, event))
            behind.append(fired)
    assert behind == [_SLICE, _ROWS // 2]
    batch = await log.read("events.bulk", 0, 0, records_max=_ROWS)
    keys = [each.key for each in batch.records if isinstance(each, Continue)]
    assert keys == [each.key for each in sorted(rows, key=lambda each: (each.due_ms, each.key))]
    assert await timers.next_due_ms() is None


async def _has_plan(site: SendingSite, event: bytes) -> bool:
    plans = await site.records("plans.critical")
    return any(getattr(plan, "event", None) == event for plan in plans)


async def test_a_clock_that_is_set_back_fires_nothing_twice(site: SendingSite) -> None:
    timers = site.services.stores.timers
    rows = [_timer(n, NOON_MS + HOUR_MS + n) for n in range(50)]
    await timers.claim_arm(rows)
    await timers.known([b"nothing"])
    site.clock.advance(NOON_MS + HOUR_MS + 24)
    assert await site.services.timers.fire() == 25
    # The process that comes next has a clock that is behind, then one that is far ahead.
    for now_ms, fired in ((NOON_MS, 0), (NOON_MS + 9 * HOUR_MS, 25), (NOON_MS + HOUR_MS, 0)):
        await site.close()
        site.clock = type(site.clock)(now_ms)
        await site.open()
        assert await site.services.timers.fire() == fired, now_ms


@pytest.mark.parametrize(
    ("began", "zone_ms"),
    [(1_774_724_400_000, 7 * HOUR_MS), (1_792_864_800_000, 9 * HOUR_MS)],
    ids=["spring", "autumn"],
)
async def test_a_wait_that_ends_in_quiet_hours_goes_on_in_the_morning(
    site: SendingSite, began: int, zone_ms: int
) -> None:
    """
    Saturday 20:00 in Berlin, before the clocks are changed: the wait ends at 23:00, and the silence
    from 22:00 to 07:00 spans a night of 8 or of 10 hours.
    """
    await site.close()
    site.clock = type(site.clock)(began)
    await site.open()
    wait = {"wait": {"for": "3h", "unless": "read"}}
    await site.publish({"key": "note", "on": ["note"], "steps": [INBOX, wait, PUSH]})
    await site.people(1, Preferences(quiet_hours=(QuietHours((), 22 * 60, 7 * 60),)))
    site.start()
    async with await site.client() as client:
        await client.patch("/v1/recipients/q0", json={"timezone": "Europe/Berlin"})
    await site.send(type="note", recipients=["q0"])
    await site.routed()
    site.clock.advance(began + 3 * HOUR_MS)
    await site.quiet()
    assert not await site.records("deliver.push.transactional")
    (held_ms,) = [await site.services.stores.timers.next_due_ms()]
    assert held_ms == began + 3 * HOUR_MS + zone_ms
    site.clock.advance(held_ms - 1)
    await site.quiet()
    assert not await site.records("deliver.push.transactional")
    site.clock.advance(held_ms)
    await site.quiet()
    assert len(await site.records("deliver.push.transactional")) == 1
