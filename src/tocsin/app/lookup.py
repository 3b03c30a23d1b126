"""Events by where their records lie, with their payloads."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tocsin.domain.lanes import LANES
from tocsin.domain.records import Event
from tocsin.ports.cache import Blobs
from tocsin.ports.log import Log

EventPlace = tuple[str, int, int]
"""(lane, partition, position)."""


class EventLookup:
    """Reads events that were accepted earlier."""

    def __init__(self, log: Log, blobs: Blobs) -> None:
        self._log = log
        self._blobs = blobs

    async def __call__(self, places: Iterable[EventPlace]) -> dict[EventPlace, Event]:
        """Return the events at those places that are still kept, in one go."""
        topics: dict[str, str] = {lane: f"events.{lane}" for lane in LANES}
        wanted = {(topics[place[0]], place[1], place[2]): place for place in set(places)}
        found = await self._log.pick(list(wanted)) if wanted else {}
        events = {wanted[at]: each for at, each in found.items() if isinstance(each, Event)}
        # Nearly all carry their data, and a coroutine for each of them costs more than the rest.
        for place in [place for place, each in events.items() if each.data_ref is not None]:
            events[place] = await with_payload(events[place], self._blobs)
        return events

    async def at(self, place: EventPlace) -> Event | None:
        """Return the event at one place."""
        return (await self([place])).get(place)


async def with_payload(event: Event, blobs: Blobs) -> Event:
    """Return *event* with its data in it, wherever that lies; raises `NotFound` when it has gone."""
    if event.data_ref is None:
        return event
    data = await blobs.get(event.data_ref)
    return msgspec.structs.replace(event, data=data, data_ref=None)
