"""Finding an event and all that was decided about it, by id or by source and id."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from tocsin.app.accepting.keying import Keying
from tocsin.app.callers import LOCAL
from tocsin.app.lookup import with_payload
from tocsin.app.routing.inputs import dedup_key
from tocsin.app.routing.router import GROUP
from tocsin.app.workflows import WorkflowRegistry
from tocsin.domain.by_hand import SEND_KEY
from tocsin.domain.ids import accepted_ms, show_event
from tocsin.domain.lanes import LANES
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import Broadcast, Event, Plan, PlannedRun
from tocsin.domain.topics import BROADCASTS
from tocsin.errors import Conflict
from tocsin.ports.cache import Blobs
from tocsin.ports.log import Batch, Log
from tocsin.ports.state import Deduplication, Keys

_UNROUTED_LOOKED_AT_MAX: Final = 1_000


@dataclass(slots=True)
class LaneEvent:
    """An event's record in one lane, and the plans about it, in the order of the log."""

    lane: str
    partition: int
    position: int
    event: Event
    plans: list[tuple[int, Plan]] = field(default_factory=list)
    """(position, plan)."""

    @property
    def own(self) -> Plan | None:
        """
        The plan that answers the event itself; the others answer releases and parts of it.

        One that was to begin later has begun with the plans that say so of its runs.
        """
        own = next((plan for _, plan in self.plans if plan.input_key == plan.event), None)
        if own is None or own.outcome is not Outcome.SCHEDULED:
            return own
        begun = {
            run.index: (plan, run)
            for _, plan in reversed(self.plans)
            for run in plan.runs
            if plan is not own
        }
        if not begun:
            return own
        runs = tuple(begun[run.index][1] if run.index in begun else run for run in own.runs)
        first = next(iter(begun.values()))[0]
        return msgspec.structs.replace(
            own, outcome=first.outcome, decided_ms=first.decided_ms, runs=runs
        )

    def runs(self) -> list[tuple[Plan, PlannedRun]]:
        """Return every run of every plan, with its plan."""
        return [(plan, run) for _, plan in self.plans for run in plan.runs]


class Finder:
    """Looks records up by the time that their keys hold."""

    def __init__(
        self,
        log: Log,
        blobs: Blobs,
        deduplication: Deduplication,
        registry: WorkflowRegistry,
        keys: Keys,
        keying: Keying,
    ) -> None:
        self._log = log
        self._blobs = blobs
        self._deduplication = deduplication
        self._registry = registry
        self._keys = keys
        self._keying = keying

    async def event(self, prefix: bytes) -> list[LaneEvent]:
        """
        Return the event whose key begins with *prefix*, once for each lane that it went to.

        Empty when the log does not hold it. Repaired events have several records; the first counts.
        """
        at_ms = accepted_ms(prefix)
        places = [(lane, p) for lane in LANES for p in range(self._log.partitions)]
        found = await asyncio.gather(
            *(self._log.covering(f"events.{lane}", p, at_ms) for lane, p in places)
        )
        events: dict[str, LaneEvent] = {}
        for (lane, partition), batches in zip(places, found, strict=True):
            for position, record in _records(batches):
                if isinstance(record, Event) and record.key.startswith(prefix):
                    each = LaneEvent(lane, partition, position, record)
                    events.setdefault(lane, each)
        for each in events.values():
            each.event = await with_payload(each.event, self._blobs)
            each.plans = await self._plans(each, at_ms)
        return list(events.values())

    async def chunks(self, key: bytes) -> list[Broadcast]:
        """Return the chunks of the event's fan-outs; of two that say the same, the first."""
        found: dict[tuple[bytes, int, int, int], Broadcast] = {}
        for _, chunk in _records(await self._log.covering(BROADCASTS, 0, accepted_ms(key))):
            if isinstance(chunk, Broadcast) and chunk.event == key:
                found.setdefault((chunk.fanout, chunk.step, chunk.block, chunk.part), chunk)
        return list(found.values())

    async def key_of(self, source: str, id: str) -> bytes | None:
        """
        Return the event that a producer sent as (source, id), while that is remembered.

        Raises `Conflict` when several producers used the same pair.
        """
        names = {"", SEND_KEY, *self._registry.keys()}
        producers = {LOCAL.producer, source, *(key.name for key in await self._keys.all())}
        digests = {
            dedup_key(self._keying.digest(producer, source, id), name): producer
            for producer in producers
            for name in names
        }
        owners = await self._deduplication.owners(list(digests))
        by_producer: dict[str, bytes] = {}
        for digest, owner in owners.items():
            producer = digests[digest]
            by_producer[producer] = min(owner, by_producer.get(producer, owner))
        if len(by_producer) > 1:
            ids = ", ".join(sorted(show_event(key) for key in by_producer.values()))
            raise Conflict(f"several producers sent this source and id; name the event: {ids}")
        return next(iter(by_producer.values()), None) or await self._unrouted(source, id)

    async def _unrouted(self, source: str, id: str) -> bytes | None:
        """Look among what the router has not come to: it has not said whose the pair is yet."""
        routed = await self._log.committed(GROUP)
        for lane in LANES:
            topic = f"events.{lane}"
            for partition in range(self._log.partitions):
                begin = routed.get((topic, partition), 0)
                batch = await self._log.read(
                    topic, partition, begin, records_max=_UNROUTED_LOOKED_AT_MAX
                )
                for record in batch.records:
                    if isinstance(record, Event) and (record.source, record.id) == (source, id):
                        return record.key
        return None

    async def _plans(self, found: LaneEvent, at_ms: int) -> list[tuple[int, Plan]]:
        batches = await self._log.covering(f"plans.{found.lane}", found.partition, at_ms)
        return [
            (position, record)
            for position, record in _records(batches)
            if isinstance(record, Plan)
            and record.event == found.event.key
            and record.outcome is not Outcome.REPEAT
        ]


def _records(batches: Sequence[Batch]) -> list[tuple[int, object]]:
    return [each for batch in batches for each in enumerate(batch.records, batch.position)]
