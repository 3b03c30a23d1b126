"""Repair: what the log holds and no plan names is routed again."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.domain.records import Event
from tocsin.ports.log import Log, Output, Place


async def repair(log: Log, places: Sequence[Place]) -> int:
    """
    Append the events at *places* as new inputs, and return how many. Durable on return.

    They keep their ids, so an event that was half settled is no duplicate of itself, and they keep
    their partitions, so what is about one recipient stays in one place.
    """
    outputs: dict[tuple[str, int], list[Event]] = {}
    for place, record in (await log.pick(places)).items():
        if isinstance(record, Event):
            outputs.setdefault(place[:2], []).append(record)
    if outputs:
        await log.append([Output(*where, records) for where, records in outputs.items()])
    return sum(len(records) for records in outputs.values())
