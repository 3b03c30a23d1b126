"""Timers: each fires once, in order, also across crashes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.sending_site import (
    ALL_DAY_BUT_EVENING,
    HOUR_MS,
    NOON_MS,
    Abandoned,
    SendingSite,
    inbox_and_push,
)
from tocsin.domain.preferences import Preferences
from tocsin.domain.records import Plan, Release

EVENING_MS = NOON_MS + 8 * HOUR_MS


@pytest.fixture(params=["joint", "split"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SendingSite]:
    made = SendingSite(tmp_path, request.param)
    await made.open()
    await made.publish(inbox_and_push("note", expires_in="2d"))
    await made.people(3, Preferences(quiet_hours=(ALL_DAY_BUT_EVENING,)))
    yield made
    await made.close()


async def test_what_is_held_goes_out_when_its_time_comes(site: SendingSite) -> None:
    site.start()
    event = await site.send(type="note", recipients=["q0", "q1", "q2"])
    await site.routed()
    assert not await site.handed(event)
    site.clock.advance(EVENING_MS - 1)
    await site.routed()
    assert not await site.records("deliver.push.bulk")
    site.clock.advance(EVENING_MS)

    async def handed() -> bool:
        return sum((await site.handed(event)).values()) == 3

    async def retired() -> bool:
        return await site.services.stores.timers.next_due_ms() is None

    await site.until("released", handed)
    # The rows go once what they let out is durable.
    await site.until("retired", retired)


async def test_what_expires_before_its_release_ends_at_once(site: SendingSite) -> None:
    site.start()
    await site.send(type="note", recipients=["q0"], expires_in="1h")
    await site.routed()
    assert (await site.settled())["bulk", "push", "expired"] == 1
    assert await site.services.stores.timers.next_due_ms() is None


@pytest.mark.slow
async def test_a_crash_between_any_two_awaits_fires_each_once(site: SendingSite) -> None:
    at, crashes, crashed = 0, 0, True
    seen_twice = False
    while crashed:
        site.follow()
        event = await site.send(type="note", recipients=["q0", "q1"], expires_in="2d")
        await site.routed()
        due_ms = await site.services.stores.timers.next_due_ms()
        assert due_ms is not None
        site.clock.advance(due_ms)
        crashed = await Abandoned(_fire(site), at)
        crashes += crashed
        await site.reopen()
        site.start()

        async def handed(event: bytes = event) -> bool:
            return sum((await site.handed(event)).values()) >= 2

        await site.until("released", handed)
        await site.routed()
        assert set((await site.handed(event)).values()) == {1}, at
        releases = [
            each.key for each in await _all(site, "events.bulk") if isinstance(each, Release)
        ]
        seen_twice = seen_twice or len(releases) > len(set(releases))
        # The next day's noon, when it is quiet again.
        site.clock.advance(site.clock.now_ms() + 16 * HOUR_MS)
        await site.reopen()
        at += 1
    assert crashes > 3
    assert seen_twice, "no crash came between the record and the row"
    plans = [each for each in await _all(site, "plans.bulk") if isinstance(each, Plan)]
    assert "repeat" in {plan.outcome for plan in plans}


async def _fire(site: SendingSite) -> None:
    await site.services.timers.fire()


async def _all(site: SendingSite, topic: str) -> list[object]:
    return list(await site.records(topic))
