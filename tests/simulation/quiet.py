"""The end of a run: no faults any more, and everything that is under way comes to its end."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation.devices import Device
from tests.simulation.engine import Life, Machine
from tests.simulation.loop import Stuck
from tocsin.app.project import followed_topics, partitions_of
from tocsin.domain.lanes import LANES
from tocsin.ports.log import Log

_ROUNDS_MAX = 400
_CALM_ROUNDS = 4
_FAR_MS = 10**15


async def quieten(life: Life, machine: Machine, devices: Sequence[Device]) -> None:
    """Return when nothing is under way; time jumps over what waits for its hour."""
    calm = 0
    for _ in range(_ROUNDS_MAX):
        await life.loop.pause(0.25)
        if await _behind(life) or not all(each.idle for each in machine.writers):
            continue
        if await life.services.stores.pauses.queues():
            # Nothing is paused any more: what was parked is on its way.
            continue
        if _delivering(life, machine) or machine.vendor.reports:
            continue
        armed = await life.services.stores.timers.due(_FAR_MS, 1_000)
        if armed:
            machine.skew.ms += max(0, armed[-1].due_ms - life.clock.now_ms()) + 1_000
            continue
        # What became durable may still be on its way to the devices.
        calm = calm + 1 if all(device.in_step() for device in devices) else 0
        if calm == _CALM_ROUNDS:
            return
    waiting = [device.name for device in devices if not device.in_step()]
    found = {
        "behind": await _behind(life),
        "devices": waiting,
        "paused": await life.services.stores.pauses.queues(),
        "lanes": [n for n, lane in enumerate(life.services.delivery.lanes) if lane.busy()],
        "armed": len(await life.services.stores.timers.due(_FAR_MS, 1_000)),
    }
    raise Stuck(f"not quiet: {found}")


def _delivering(life: Life, machine: Machine) -> bool:
    """Return whether messages are under way; time jumps over what a provider is spared."""
    lanes = life.services.delivery.lanes
    waiting = [due_ms for lane in lanes if (due_ms := lane.next_ms()) is not None]
    machine.skew.ms += max(0, min(waiting, default=0) - life.clock.now_ms())
    return bool(waiting) or any(lane.busy() for lane in lanes)


async def _behind(life: Life) -> list[str]:
    """Return what has not caught up."""
    services = life.services
    log: Log = services.storage.log
    found = []
    routed = await log.committed("route")
    expanded = await log.committed("expand")
    for lane in LANES:
        for partition in range(log.partitions):
            source = (f"events.{lane}", partition)
            if routed.get(source, 0) < log.end(*source):
                found.append(f"route {source}")
            plans = (f"plans.{lane}", partition)
            if not log.atomic_with_views and expanded.get(plans, 0) < log.end(*plans):
                found.append(f"expand {plans}")
    if not log.atomic_with_views:
        views = (
            (services.inbox_projection, services.storage.inbox),
            (services.ledger_projection, services.storage.ledger),
        )
        for projection, view in views:
            marks = await view.marks()
            found += [
                f"{type(view).__name__} {topic}/{partition}"
                for topic in followed_topics()
                if projection.follows(topic)
                for partition in partitions_of(log, topic)
                if marks.get((topic, partition), 0) < log.end(topic, partition)
            ]
    return found
