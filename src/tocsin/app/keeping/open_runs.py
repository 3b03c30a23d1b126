"""From when on events are still needed by something that is open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.app.routing.router import GROUP
from tocsin.domain.ids import accepted_ms
from tocsin.domain.records import (
    Continue,
    Event,
    Handoff,
    Individuals,
    Poison,
    Record,
    Release,
    Retry,
)
from tocsin.ports.keeping import Kept, LogKeeping
from tocsin.ports.log import Log

_AT_ONCE: Final = 1_000
_LOOKED_AT_MAX: Final = 50_000

Readers = Mapping[tuple[str, str, int], int]


class OpenRuns:
    """
    Finds the oldest event that a run still needs.

    A run that waits is either a row of the state store, or a record on the log that its reader has
    not handled. Positions are read before the rows and the records after them: what moves from the
    one to the other meanwhile is seen in one of the two.
    """

    def __init__(self, log: Log, keeping: LogKeeping, kept: Kept) -> None:
        self._log = log
        self._keeping = keeping
        self._kept = kept

    async def since_ms(self) -> int | None:
        """
        Return when it was accepted, in ms; what is yet to come when nothing is open.

        None when so much waits on the log that looking at it all would be in its way.
        """
        readers = await self._keeping.readers()
        found = [await self._kept.open_since_ms()]
        places = [
            (topic, partition, position)
            for (group, topic, partition), position in readers.items()
            if group == topic or (group == GROUP and topic.startswith("events."))
        ]
        waiting = sum(self._log.end(t, p) - position for t, p, position in places)
        if waiting > _LOOKED_AT_MAX:
            return None
        found += [await self._oldest(*place) for place in places]
        return min((each for each in found if each is not None), default=_NEVER_MS)

    async def _oldest(self, topic: str, partition: int, position: int) -> int | None:
        """Return when the oldest event was accepted that the records from *position* on name."""
        stamps: list[int] = []
        end = self._log.end(topic, partition)
        while position < end:
            batch = await self._log.read(topic, partition, position, records_max=_AT_ONCE)
            about = [each for each in batch.records if isinstance(each, Release | Continue)]
            places = {
                (f"events.{each.event_lane}", each.event_partition, each.event_position)
                for each in about
            }
            events = await self._log.pick(list(places)) if places else {}
            for record in (*batch.records, *events.values()):
                stamps.extend(_event_ms(record))
            position = max(batch.end, position + 1)
        return min(stamps, default=None)


_NEVER_MS: Final = 1 << 62


def _event_ms(record: Record | Poison) -> tuple[int, ...]:
    """Return when the event was accepted that *record* says it is about."""
    match record:
        case Event():
            return (record.accepted_ms,)
        case Individuals():
            return (accepted_ms(record.event),)
        case Handoff():
            return (accepted_ms(record.delivery),)
        case Retry():
            return (accepted_ms(record.handoff.delivery),)
        case _:
            return ()
