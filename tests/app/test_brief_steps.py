"""Other lanes take small steps while something critical is on its way."""

from tests.app.test_audit import WORKFLOW, event
from tests.app.town import BEGIN_MS, Town

CRITICAL = {**WORKFLOW, "key": "alarm", "on": ["alarm"], "lane": "critical"}


async def steps(town: Town) -> list[int]:
    """How many events were decided in each step of the lane of the orders."""
    log = town.services.storage.log
    spans = await log.spans("plans.transactional", 0, 0, None)
    return [end - first for first, end in spans]


async def test_steps_are_large_while_nothing_is_critical(town: Town) -> None:
    await town.publish(WORKFLOW)
    await town.send(*(event(n) for n in range(120)))
    town.start()
    await town.routed()
    assert await steps(town) == [120]


async def test_steps_are_small_while_something_is(town: Town) -> None:
    await town.publish(WORKFLOW)
    await town.publish(CRITICAL)
    await town.send({**event(1), "type": "alarm", "id": "alarm"})
    town.start()
    await town.routed()
    await town.send(*(event(n) for n in range(120)))
    await town.routed()
    assert await steps(town) == [50, 50, 20]
    town.clock.advance(BEGIN_MS + 2_000)
    await town.send(*(event(n) for n in range(120, 240)))
    await town.routed()
    assert await steps(town) == [50, 50, 20, 120]
