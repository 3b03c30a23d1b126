"""Accept: check, pin the workflows, write, and answer when it is durable."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from tocsin.app.accepting.backpressure import Backpressure
from tocsin.app.accepting.drafts import UNROUTED_LANE, Draft, Uptake, record_of, uptake_of
from tocsin.app.accepting.inline_fields import InlineFields
from tocsin.app.accepting.keying import Keying
from tocsin.app.accepting.room import DiskRoom
from tocsin.app.callers import Limits, Principal, Scope
from tocsin.app.metrics.meters import EventMeter
from tocsin.app.routing.inputs import dedup_key
from tocsin.app.workflows import WorkflowRegistry
from tocsin.domain.cloudevents import IncomingEvent
from tocsin.domain.ids import EventKey, event_key
from tocsin.domain.lanes import Lane
from tocsin.domain.records import Event
from tocsin.domain.workflow import Workflow
from tocsin.errors import FieldProblem, Forbidden, RateLimited, RequestRefused
from tocsin.ports.cache import Blobs, Limiter
from tocsin.ports.log import Log, Output
from tocsin.ports.state import Deduplication
from tocsin.ports.system import Chance, Clock

INLINE_DATA_BYTES_MAX: Final = 65_536
"""Larger payloads go to the blobs once, and records carry the reference."""

_NO_LIMITS: Final = Limits()

_TYPES: Final = re.compile(rb'"type"\s*:\s*"([^"]*)"')
"""Also finds what is called so within the data: more lanes than are meant, never fewer."""

Problems = tuple[FieldProblem, ...]


class Taken(msgspec.Struct, frozen=True, gc=False):
    """One accepted event, or the earlier one that it repeats."""

    key: bytes
    duplicate: bool


class ProducerRate(NamedTuple):
    """What one producer may send when its key says nothing else."""

    per_s: int
    burst: int


class Accept:
    """Takes events. What `take` has returned is durable."""

    def __init__(
        self,
        log: Log,
        deduplication: Deduplication,
        registry: WorkflowRegistry,
        blobs: Blobs,
        limiter: Limiter,
        clock: Clock,
        chance: Chance,
        keying: Keying,
        inline: InlineFields,
        rate: ProducerRate,
        room: DiskRoom,
        gate: Backpressure,
        meter: EventMeter,
    ) -> None:
        self._log = log
        self._deduplication = deduplication
        self._registry = registry
        self._blobs = blobs
        self._limiter = limiter
        self._clock = clock
        self._chance = chance
        self._keying = keying
        self._inline = inline
        self._rate = rate
        self._room = room
        self._gate = gate
        self._meter = meter

    async def take(
        self,
        caller: Principal,
        events: Sequence[IncomingEvent | Problems],
        *,
        id_of: Sequence[str] | None = None,
        only: Workflow | None = None,
        content: bytes | None = None,
    ) -> list[Taken | Problems]:
        """
        Accept *events* in order; each comes to what it was accepted as, or to its problems.

        *id_of* gives ids to events that carry none (from an ``Idempotency-Key``); *only* pins one
        workflow (a trigger), whose document is *content* when it was sent by hand. Raises
        `RateLimited` for all of them when the producer sends too fast, and `Overloaded` when a
        lane has no room soon, or `StorageLow` when the disk has none: nothing is kept then.
        """
        self._check_rate(caller, len(events))
        lanes = self._lanes(events, only)
        self._room.check(lanes)
        await self._enter(lanes)
        try:
            return await self._take(caller, events, id_of, only, content)
        finally:
            for lane, count in lanes.items():
                self._gate.entered(lane, count)

    def check_room(self, body: bytes) -> None:
        """
        Raise `Overloaded` when no lane of the events in *body* has room, not even to wait.

        It is a look at bytes: under overload most of what comes is refused, and reading it first
        would take the time from what was accepted. What may be meant otherwise is let pass.
        """
        if not self._gate.crowded or b"\\" in body:
            return
        types = {each.decode("utf-8", "replace") for each in _TYPES.findall(body)}
        lanes = {lane for each in types for lane in self._lanes_of(each)}
        if lanes and all(self._gate.full(lane) for lane in lanes):
            raise self._gate.overloaded()

    async def _take(
        self,
        caller: Principal,
        events: Sequence[IncomingEvent | Problems],
        id_of: Sequence[str] | None,
        only: Workflow | None,
        content: bytes | None,
    ) -> list[Taken | Problems]:
        now_ms = self._clock.now_ms()
        outcome, drafts = self._drafts(caller, events, id_of, only, now_ms)
        drafts = await self._without_unfit(caller, drafts, outcome)
        fresh = self._without_repeats(drafts, outcome, now_ms)
        await self._write(caller, fresh, outcome, content, now_ms)
        self._meter.refused += len(events) - len(drafts)
        self._meter.duplicates += len(drafts) - len(fresh)
        return outcome

    def _drafts(
        self,
        caller: Principal,
        events: Sequence[IncomingEvent | Problems],
        id_of: Sequence[str] | None,
        only: Workflow | None,
        now_ms: int,
    ) -> tuple[list[Taken | Problems], list[Draft]]:
        """Return what each event comes to as it looks by itself, and those that are to be written."""
        chance = self._chance.bytes(10 * len(events))
        limited = caller.limits != _NO_LIMITS
        uptakes: dict[str, Uptake] = {}
        outcome: list[Taken | Problems] = []
        drafts: list[Draft] = []
        for place, event in enumerate(events):
            if isinstance(event, tuple):
                outcome.append(event)
                continue
            uptake = uptakes.get(event.type)
            if uptake is None:
                workflows = (only,) if only is not None else self._registry.taking(event.type)
                uptake = uptakes[event.type] = uptake_of(workflows)
            source = event.source or caller.producer
            if limited or uptake.checks_data or event.changes_profiles:
                problems = _problems(caller, event, source, uptake.workflows)
                if problems:
                    outcome.append(problems)
                    continue
            minted = chance[10 * place : 10 * place + 10]
            id = event.id or (id_of[place] if id_of is not None else minted.hex())
            digest = self._keying.digest(caller.producer, source, id)
            outcome.append(Taken(event_key(now_ms, minted), False))
            drafts.append(Draft(place, event, source, id, digest, uptake))
        return outcome, drafts

    def _lanes(
        self, events: Sequence[IncomingEvent | Problems], only: Workflow | None
    ) -> Mapping[Lane, int]:
        """Return how many of *events* each lane is to take."""
        if only is not None:
            return {only.lane: len(events)}
        lanes: Counter[Lane] = Counter()
        types = Counter([each.type for each in events if not isinstance(each, tuple)])
        for type, count in types.items():
            for lane in self._lanes_of(type):
                lanes[lane] += count
        return lanes

    def _lanes_of(self, type: str) -> set[Lane]:
        return {workflow.lane for workflow in self._registry.taking(type)} or {UNROUTED_LANE}

    async def _enter(self, lanes: Mapping[Lane, int]) -> None:
        entered: list[Lane] = []
        try:
            for lane, count in lanes.items():
                await self._gate.enter(lane, count)
                entered.append(lane)
        except BaseException:
            for lane in entered:
                self._gate.entered(lane, lanes[lane])
            raise

    def _check_rate(self, caller: Principal, events: int) -> None:
        per_s, burst = self._rate
        if caller.limits.rate_per_s is not None:
            per_s = burst = caller.limits.rate_per_s
        wait_s = self._limiter.take(f"events:{caller.name}", events, rate_per_s=per_s, burst=burst)
        if wait_s > 0:
            raise RateLimited(
                f"this producer may send {per_s} events a second; wait, then send the same again",
                retry_after_s=wait_s,
            )

    async def _without_unfit(
        self,
        caller: Principal,
        drafts: list[Draft],
        outcome: list[Taken | Problems],
    ) -> list[Draft]:
        """Leave out what brings profile fields that cannot be read or must not be changed."""
        carrying = [each for each in drafts if each.event.changes_profiles]
        if not carrying:
            return drafts
        may_change = caller.reaches(Scope.RECIPIENTS_WRITE)
        found = await self._inline.problems(
            [draft.event for draft in carrying], may_change_addresses=may_change
        )
        refused = {
            draft.place: problems
            for draft, problems in zip(carrying, found, strict=True)
            if problems
        }
        for place, problems in refused.items():
            outcome[place] = problems
        return [each for each in drafts if each.place not in refused]

    def _without_repeats(
        self, drafts: list[Draft], outcome: list[Taken | Problems], now_ms: int
    ) -> list[Draft]:
        """
        Leave out what is known to be a repeat of one earlier event for every workflow it has now.

        What memory does not know is settled by route, which makes it an alias.
        """
        claims = [dedup_key(each.digest, name) for each in drafts for name in each.uptake.names]
        known = self._deduplication.lookup(claims, now_ms)
        if not known:
            return drafts
        fresh = []
        for draft in drafts:
            owners = {known.get(dedup_key(draft.digest, name)) for name in draft.uptake.names}
            owner = owners.pop() if len(owners) == 1 else None
            if owner is None:
                fresh.append(draft)
            else:
                outcome[draft.place] = Taken(owner, True)
        return fresh

    async def _write(
        self,
        caller: Principal,
        drafts: Sequence[Draft],
        outcome: Sequence[Taken | Problems],
        content: bytes | None,
        now_ms: int,
    ) -> None:
        may_change = caller.reaches(Scope.RECIPIENTS_WRITE)
        one = self._log.partitions == 1
        gathered: dict[tuple[str, int], list[Event]] = {}
        for draft in drafts:
            taken = outcome[draft.place]
            assert isinstance(taken, Taken)
            key, data_ref = EventKey(taken.key), None
            if len(draft.event.data) > INLINE_DATA_BYTES_MAX:
                data_ref = await self._put_large(key, draft.event.data)
            hashed = 0 if one else self._partition_key(draft)
            for topic, pinned in draft.uptake.lanes:
                record = record_of(
                    draft, key, now_ms, pinned, data_ref, content, caller, may_change=may_change
                )
                where = (topic, 0 if one else self._log.partition_of(topic, hashed))
                gathered.setdefault(where, []).append(record)
        if gathered:
            await self._log.append(
                [Output(topic, partition, made) for (topic, partition), made in gathered.items()]
            )
        for (topic, _), made in gathered.items():
            self._meter.accepted[topic.removeprefix("events.")] += len(made)

    def _partition_key(self, draft: Draft) -> int:
        workflows = draft.uptake.workflows
        return self._keying.partition_key(draft.event, draft.source, draft.id, workflows)

    async def _put_large(self, key: bytes, data: bytes) -> str:
        name = f"data-{key.hex()}"
        await self._blobs.put(name, data)
        return name


def _problems(
    caller: Principal, event: IncomingEvent, source: str, workflows: Sequence[Workflow]
) -> Problems:
    problems = _reach(caller, source, workflows)
    if event.changes_profiles and not caller.reaches(Scope.EVENTS_WRITE):
        problems += (FieldProblem("/recipients", "forbidden", "needs the scope events:write"),)
    for workflow in workflows:
        if workflow.check_data is not None:
            problems += workflow.check_data(msgspec.json.decode(event.data))
    return problems


def _reach(caller: Principal, source: str, workflows: Iterable[Workflow]) -> Problems:
    limits = caller.limits
    if limits == _NO_LIMITS:
        return ()
    try:
        limits.check(source=source)
        for workflow in workflows:
            limits.check(workflow=workflow.key, category=workflow.category, lane=workflow.lane)
    except Forbidden as error:
        return (FieldProblem("", error.code, error.detail),)
    return ()


def refused(problems: Problems) -> RequestRefused:
    """Return the error of a request whose only event has these problems."""
    return RequestRefused("the event cannot be accepted, see errors", errors=problems)
