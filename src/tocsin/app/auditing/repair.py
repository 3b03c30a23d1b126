"""Repair: what the log holds and no plan names is routed again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from tocsin.app.auditing.slices import read_window
from tocsin.domain.channels import CHANNEL_FIELDS, INBOX
from tocsin.domain.ids import event_prefix
from tocsin.domain.records import Event, Handoff, Item
from tocsin.ports.log import Log, Output, Place


async def repair(log: Log, places: Sequence[Place], channels: Iterable[str]) -> int:
    """
    Append the events at *places* as new inputs, and return how many. Durable on return.

    They keep their ids, so an event that was half settled is no duplicate of itself, and they keep
    their partitions, so what is about one recipient stays in one place. One that was acted on has
    only lost its plan: it is left alone, since routing it again would send it again. *channels*
    are those whose hand-offs are looked through, besides the product's own.
    """
    found = await log.pick(places)
    events = {place: record for place, record in found.items() if isinstance(record, Event)}
    acted_on = await _acted_on(log, events, {*channels, *CHANNEL_FIELDS})
    outputs: dict[tuple[str, int], list[Event]] = {}
    for place, event in events.items():
        if event.key not in acted_on:
            outputs.setdefault(place[:2], []).append(event)
    if outputs:
        await log.append([Output(*where, records) for where, records in outputs.items()])
    return sum(len(records) for records in outputs.values())


async def _acted_on(
    log: Log, events: dict[Place, Event], channels: Collection[str]
) -> frozenset[bytes]:
    """Return the keys of those of whom an item or a hand-off lies on the log."""
    wanted: defaultdict[tuple[str, int], dict[bytes, bytes]] = defaultdict(dict)
    for (topic, _, _), event in events.items():
        lane = topic.removeprefix("events.")
        wanted[lane, event.accepted_ms][event_prefix(event.key)] = event.key
    found: set[bytes] = set()
    for (lane, accepted_ms), keys in wanted.items():
        topics = [f"deliver.{name}.{lane}" for name in sorted(channels) if name != INBOX]
        for topic in (f"inbox.{lane}", *topics):
            for partition in range(log.partitions):
                window = read_window(log, topic, partition, accepted_ms, accepted_ms + 1)
                async for batch in window:
                    made = {event_prefix(_key(record)) for record in batch.records}
                    found.update(keys[prefix] for prefix in keys.keys() & made)
    return frozenset(found)


def _key(record: object) -> bytes:
    match record:
        case Item():
            return record.key
        case Handoff():
            return record.delivery
        case _:
            return b""
