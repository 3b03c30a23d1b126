"""The route role: one loop per lane over the partitions that it owns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from tocsin.app.lookup import with_payload
from tocsin.app.pausing.gate import PauseGate
from tocsin.app.routing.inputs import Input
from tocsin.app.routing.step import RouteStep
from tocsin.domain.lanes import LANES, Lane
from tocsin.domain.records import Continue, Event, Individuals, Plan, Poison, Release
from tocsin.errors import Fenced, StorageFailed, Unavailable
from tocsin.ports.cache import Blobs
from tocsin.ports.log import Follow, Log, Output, Source, Step
from tocsin.ports.system import Clock

GROUP: Final = "route"

_RETRY_MS: Final = 200

_BRIEF_EVENTS: Final = 50
"""What other lanes decide in one step while something critical is on its way: a few ms of work, for
which whatever comes has to wait."""

_BRIEF_S: Final = 1.0
"""How long after the last critical event steps stay brief."""

_REDONE: Final = 10_000
"""As many as any batch holds: more than that nobody has decided ahead of a commit."""
_INPUTS: Final = (Event, Release, Individuals, Continue, Poison)

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Owned:
    """How far one partition has come."""

    partition: int
    epoch: int
    position: int
    redone_below: int
    """Up to here someone may have decided before and failed to commit it."""


class Router:
    """
    Reads ``events.<lane>``, writes ``plans.<lane>``: one plan for each record, same partition.

    *follow* is given where one engine holds log and views; what follows from a plan is then
    written in the step's own transaction, else by readers (`tocsin.app.project`). *moved* is told how
    many records of a lane are decided.
    """

    def __init__(
        self,
        log: Log,
        step: RouteStep,
        blobs: Blobs,
        clock: Clock,
        pauses: PauseGate,
        *,
        follow: Callable[[Lane], Follow | None],
        batch_events_max: int,
        moved: Callable[[Lane, int], None],
    ) -> None:
        self._log = log
        self._step = step
        self._blobs = blobs
        self._clock = clock
        self._pauses = pauses
        self._follow = follow
        self._batch_events_max = batch_events_max
        self._moved = moved
        self._brief_until_s = float("-inf")
        self._owned: dict[Lane, Sequence[_Owned]] = {}

    def busy(self) -> bool:
        """Return whether something is not routed yet, and no pause is why."""
        return any(
            self._behind(lane) for lane in LANES if self._pauses.now.stops_lane(lane) is None
        )

    def _behind(self, lane: Lane) -> bool:
        owned = self._owned.get(lane)
        topic = f"events.{lane}"
        return owned is None or any(
            one.position < self._log.end(topic, one.partition) for one in owned
        )

    async def run(self, lane: Lane) -> None:
        """Route *lane* until cancelled or fenced."""
        topic = f"events.{lane}"
        owned = []
        for partition in range(self._log.partitions):
            epoch, position = await self._log.acquire(GROUP, topic, partition)
            redone_below = min(self._log.end(topic, partition), position + _REDONE)
            owned.append(_Owned(partition, epoch, position, redone_below))
        self._moved(lane, sum(one.position for one in owned))
        self._owned[lane] = owned
        while True:
            await self._pauses.lane_open(lane)
            inputs = await self._read(topic, owned, self._events_max(lane))
            if not inputs:
                await self._log.wait({(topic, one.partition): one.position for one in owned})
                continue
            if lane == "critical":
                self._brief_until_s = self._clock.monotonic() + _BRIEF_S
            await self._route(lane, topic, owned, inputs)

    def _events_max(self, lane: Lane) -> int:
        """
        Return how many events one step of *lane* may hold.

        Lanes take turns on one thread, so a large step is a wait for whatever is critical; where
        nothing is, it costs least.
        """
        if lane == "critical" or self._clock.monotonic() > self._brief_until_s:
            return self._batch_events_max
        return min(_BRIEF_EVENTS, self._batch_events_max)

    async def _route(
        self, lane: Lane, topic: str, owned: Sequence[_Owned], inputs: Sequence[Input]
    ) -> None:
        """Decide and commit *inputs*; they are decided again until that is durable."""
        if await self._routed(lane, topic, owned, inputs):
            return
        if lane == "critical" and len(inputs) > 1:
            # One that must wait for a store holds up nobody but those behind it.
            await self._one_by_one(lane, topic, owned, inputs)
        await self._clock.pause(_RETRY_MS)

    async def _one_by_one(
        self, lane: Lane, topic: str, owned: Sequence[_Owned], inputs: Sequence[Input]
    ) -> None:
        waiting: set[int] = set()
        for entry in inputs:
            if entry.partition in waiting:
                continue
            fresh = _fresh(entry)
            fresh.redone = True
            if not await self._routed(lane, topic, owned, [fresh]):
                waiting.add(entry.partition)

    async def _routed(
        self, lane: Lane, topic: str, owned: Sequence[_Owned], inputs: Sequence[Input]
    ) -> bool:
        """Return whether *inputs* are decided and that is durable; False where a store is away."""
        try:
            plans = await self._plans(lane, inputs)
            step = _commit_of(lane, topic, owned, inputs, plans)
            await self._log.commit(step, self._follow(lane))
        except (Fenced, StorageFailed):
            raise
        except Unavailable as error:
            logger.warning("route_waits", lane=lane, code=error.code)
            for entry in inputs:
                one = owned[entry.partition]
                one.redone_below = max(one.redone_below, entry.position + 1)
            return False
        for source in step.sources:
            owned[source.partition].position = source.position
        self._moved(lane, sum(one.position for one in owned))
        return True

    async def _plans(self, lane: Lane, inputs: Sequence[Input]) -> list[Plan]:
        """
        Decide a batch. A record that breaks the code is poison, alone: the others are decided.
        """
        now_ms = self._clock.now_ms()
        incarnation = self._log.incarnation
        try:
            return await self._step(lane, incarnation, await self._with_payloads(inputs), now_ms)
        except (Unavailable, StorageFailed):
            raise
        except Exception as error:
            if len(inputs) > 1:
                half = len(inputs) // 2
                first = await self._plans(lane, [_fresh(entry) for entry in inputs[:half]])
                return first + await self._plans(lane, [_fresh(entry) for entry in inputs[half:]])
            logger.exception("route_poison", lane=lane, position=inputs[0].position)
            broken = _fresh(inputs[0])
            broken.record = Poison(b"", f"deciding it failed: {type(error).__name__}")
            plan = (await self._step(lane, incarnation, [broken], now_ms))[0]
            return [_about(plan, inputs[0])]

    async def _with_payloads(self, inputs: Sequence[Input]) -> Sequence[Input]:
        for entry in inputs:
            record = entry.record
            if isinstance(record, Event) and record.data_ref is not None:
                entry.record = await with_payload(record, self._blobs)
        return inputs

    async def _read(self, topic: str, owned: Sequence[_Owned], events_max: int) -> list[Input]:
        inputs: list[Input] = []
        share = max(1, events_max // len(owned))
        for one in owned:
            batch = await self._log.read(topic, one.partition, one.position, records_max=share)
            previous = one.position - 1
            left = share
            for position, record in enumerate(batch.records, batch.position):
                if isinstance(record, _INPUTS):
                    if left <= 0:
                        break
                    left -= len(record.recipients) if type(record) is Individuals else 1
                    entry = Input(one.partition, position, previous, record)
                    entry.redone = position < one.redone_below
                    inputs.append(entry)
                    previous = position
        return inputs


def _fresh(entry: Input) -> Input:
    fresh = Input(entry.partition, entry.position, entry.previous, entry.record)
    fresh.redone = entry.redone
    return fresh


def _about(plan: Plan, entry: Input) -> Plan:
    """Let a poison plan name the event that it is about, so that it can be found."""
    record = entry.record
    if not isinstance(record, Event):
        return plan
    return msgspec.structs.replace(plan, input_key=record.key, event=record.key)


def _commit_of(
    lane: Lane,
    topic: str,
    owned: Sequence[_Owned],
    inputs: Sequence[Input],
    plans: Sequence[Plan],
) -> Step:
    by_partition: dict[int, list[Plan]] = {}
    last: dict[int, int] = {}
    for entry, plan in zip(inputs, plans, strict=True):
        by_partition.setdefault(entry.partition, []).append(plan)
        last[entry.partition] = entry.position
    sources = [
        Source(GROUP, topic, partition, owned[partition].position, end + 1, owned[partition].epoch)
        for partition, end in last.items()
    ]
    outputs = [Output(f"plans.{lane}", partition, made) for partition, made in by_partition.items()]
    return Step(sources, outputs)
