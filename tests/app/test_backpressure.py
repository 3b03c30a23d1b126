"""Accepting no faster than can be decided: who is let in, who waits, who is told to come again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.app.test_audit import WORKFLOW, event
from tests.app.town import Town, opened
from tocsin.app.accepting.backpressure import Backpressure, Pressure
from tocsin.config import Config
from tocsin.domain.lanes import Lane
from tocsin.errors import Overloaded

pytestmark = pytest.mark.anyio


class Lanes:
    """What the gate is told of the log and the time."""

    def __init__(self) -> None:
        self.ends: dict[Lane, int] = {"critical": 0, "transactional": 0, "bulk": 0}
        self.seconds = 0.0

    def gate(self, *, requests: int = 2, wait_ms: int = 60_000) -> Backpressure:
        backlog: dict[Lane, int] = {"critical": 10, "transactional": 10, "bulk": 10}
        gate = Backpressure(
            self.ends.__getitem__, lambda: self.seconds, Pressure(backlog, requests, wait_ms)
        )
        for lane in self.ends:
            gate.moved(lane, 0)
        return gate


async def test_who_finds_a_lane_full_waits_in_order_until_it_has_room() -> None:
    lanes = Lanes()
    gate = lanes.gate()
    await gate.enter("bulk", 10)
    entered: list[str] = []

    async def enter(name: str) -> None:
        await gate.enter("bulk", 10)
        entered.append(name)

    async with asyncio.TaskGroup() as tasks:
        for name in ("first", "second"):
            tasks.create_task(enter(name))
            await asyncio.sleep(0)
        lanes.ends["bulk"] = 10
        gate.entered("bulk", 10)
        assert (entered, gate.waiting) == ([], 2)
        gate.moved("bulk", 5)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert entered == ["first"]
        lanes.ends["bulk"] = 20
        gate.entered("bulk", 10)
        gate.moved("bulk", 15)
    assert entered == ["first", "second"]


async def test_a_full_lane_is_in_no_other_lanes_way() -> None:
    lanes = Lanes()
    gate = lanes.gate(requests=0)
    await gate.enter("bulk", 10)
    await gate.enter("critical", 10)
    with pytest.raises(Overloaded):
        await gate.enter("bulk", 1)
    assert gate.full("bulk")
    assert not gate.full("transactional")
    assert gate.refused == 1


async def test_who_would_wait_too_long_is_told_to_come_again() -> None:
    lanes = Lanes()
    gate = lanes.gate(wait_ms=0)
    await gate.enter("bulk", 10)
    with pytest.raises(Overloaded) as refused:
        await gate.enter("bulk", 1)
    assert (refused.value.status, refused.value.retry_after_s) == (503, 1.0)
    # It has left no trace: what is decided makes room for the next.
    gate.entered("bulk", 10)
    gate.moved("bulk", 0)
    await gate.enter("bulk", 1)


async def test_who_gives_up_leaves_its_place_to_the_next() -> None:
    lanes = Lanes()
    gate = lanes.gate()
    await gate.enter("bulk", 10)
    async with asyncio.TaskGroup() as tasks:
        gone = tasks.create_task(gate.enter("bulk", 5))
        stays = tasks.create_task(gate.enter("bulk", 5))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        gate.entered("bulk", 10)
        gate.moved("bulk", 0)
        await stays


async def test_a_lane_that_stands_still_takes_what_comes() -> None:
    lanes = Lanes()
    gate = lanes.gate(requests=0)
    lanes.ends["transactional"] = 50
    with pytest.raises(Overloaded):
        await gate.enter("transactional", 1)
    lanes.seconds += 2
    await gate.enter("transactional", 1)


@pytest.fixture(params=["joint", "split"])
async def town(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    accept = msgspec.structs.replace(
        Config().accept, backlog_transactional_max=100, waiting_requests_max=0
    )
    async with opened(tmp_path, request.param, accept=accept) as town:
        await town.publish(WORKFLOW)
        yield town


async def test_what_is_not_decided_yet_keeps_more_out_and_nothing_is_lost(town: Town) -> None:
    accept = town.services.accept
    town.start()
    await town.send(event(0))
    await town.routed()
    await town.stop()
    await town.send(*(event(n) for n in range(1, 101)))

    body = b'[{"type":"order.shipped"}]'
    with pytest.raises(Overloaded):
        accept.check_room(body)
    accept.check_room(rb'[{"type":"order.sh\u0069pped"}]')
    with pytest.raises(Overloaded):
        await town.send(event(101))

    town.start()
    await town.routed()
    accept.check_room(body)
    await town.send(event(101))
    await town.routed()
    log = town.services.storage.log
    assert log.end("plans.transactional", 0) == 102
