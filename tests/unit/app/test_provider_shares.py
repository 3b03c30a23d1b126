"""Moves of shares are written down, also when the store is away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.delivering.site import BEGIN_MS
from tocsin.adapters.system import VirtualClock
from tocsin.app.delivering.health import ACTION, HealthDesk
from tocsin.errors import Unavailable
from tocsin.ports.state import Change

MINUTE_MS = 60_000


class MoodyTrail:
    """A trail whose store is away when it is asked first."""

    def __init__(self, *entries: Change) -> None:
        self.kept = list(entries)
        self.away = 1

    async def add(self, changes: Sequence[Change]) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("the store is away")
        self.kept += changes

    async def entries(self, since_ms: int) -> AsyncIterator[Change]:
        for each in self.kept:
            if each.at_ms >= since_ms:
                yield each

    async def verify(self) -> int | None:
        return None


@pytest.fixture
async def clock() -> VirtualClock:
    return VirtualClock(BEGIN_MS)


async def turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def run(desk: HealthDesk, clock: VirtualClock, minutes: int) -> None:
    task = asyncio.get_running_loop().create_task(desk.run())
    await turns()
    for _ in range(minutes):
        clock.advance(clock.now_ms() + MINUTE_MS)
        await turns()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_no_move_is_made_before_the_one_before_is_written(clock: VirtualClock) -> None:
    trail = MoodyTrail()
    desk = HealthDesk(["twilio", "vonage"], trail, clock)
    for _ in range(10):
        desk.tell("twilio", slow=False, failed=True)
        desk.tell("vonage", slow=False, failed=False)
        desk.tell("unknown", slow=True, failed=True)
    await run(desk, clock, 2)
    assert [(each.target, each.detail.split()[0]) for each in trail.kept] == [
        ("provider/twilio", "0.75"),
        ("provider/twilio", "0.5625"),
    ]
    assert {each.by for each in trail.kept} == {"system"}
    assert desk.moves == {"twilio": 2, "vonage": 0}
    assert dict(desk.shares) == {"twilio": 0.5625}


async def test_only_what_moved_lately_is_gone_on_from(clock: VirtualClock) -> None:
    def moved(name: str, share: str, ago_ms: int) -> Change:
        return Change(BEGIN_MS - ago_ms, "system", ACTION, f"provider/{name}", f"{share} of it")

    trail = MoodyTrail(
        moved("old", "0.5", 25 * 60 * MINUTE_MS),
        moved("twilio", "0.75", 3_000),
        moved("twilio", "0.5625", 2_000),
        moved("back", "0.9", 2_000),
        moved("back", "1", 1_000),
        Change(BEGIN_MS, "ana", "pause", "pause/1", "no number"),
    )
    desk = HealthDesk(["old", "twilio", "back"], trail, clock)
    await run(desk, clock, 0)
    assert dict(desk.shares) == {"twilio": 0.5625}


async def test_without_anything_bad_nobody_wakes(clock: VirtualClock) -> None:
    desk = HealthDesk(["twilio"], MoodyTrail(), clock)
    desk.tell("twilio", slow=False, failed=False)
    assert not desk.busy()
    assert desk.next_ms() is None
    desk.tell("twilio", slow=True, failed=False)
    assert desk.busy()
    assert desk.next_ms() == BEGIN_MS + MINUTE_MS
