"""One batch through route: settle, find, load, decide, and the records that say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from pyroaring import AbstractBitMap

from tocsin.app.routing.again import AgainStep
from tocsin.app.routing.audiences import AudienceStep, Resolved
from tocsin.app.routing.deciding import plan_run
from tocsin.app.routing.facts import BatchFacts, FactsStep
from tocsin.app.routing.fanning import FanoutStarter
from tocsin.app.routing.holding import Held, HoldStep
from tocsin.app.routing.inputs import Input, Run
from tocsin.app.routing.intervals import IntervalsStep, scheduled_run
from tocsin.app.routing.parts import PartsStep
from tocsin.app.routing.people import PeopleStep
from tocsin.app.routing.settle import Settle
from tocsin.app.routing.succession import SuccessorStep
from tocsin.domain.instants import show_instant
from tocsin.domain.lanes import Lane
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import Event, Plan, PlannedRun, Poison, Release


@dataclass(frozen=True, slots=True)
class RouteParts:
    """The parts of the step, each with its own ports."""

    settle: Settle
    audiences: AudienceStep
    people: PeopleStep
    facts: FactsStep
    fanouts: FanoutStarter
    hold: HoldStep
    again: AgainStep
    successors: SuccessorStep
    intervals: IntervalsStep
    parts: PartsStep
    fanout_threshold: int


@dataclass(slots=True)
class _Work:
    """Runs of a batch, with what is known of their audience."""

    all: list[tuple[Input, Run, Resolved]] = field(default_factory=list)
    """In the order of the log; of those in ``many`` only who is named."""
    few: list[tuple[Input, Run]] = field(default_factory=list)
    many: list[tuple[Input, Run, AbstractBitMap]] = field(default_factory=list)
    cut: list[tuple[Input, Run, AbstractBitMap]] = field(default_factory=list)
    """Many, too, in a workflow with intervals: parts of them are decided one by one."""


class RouteStep:
    """Decides a batch of input records. Writes to the state store, never to the log."""

    def __init__(self, parts: RouteParts) -> None:
        self._parts = parts

    async def __call__(
        self, lane: Lane, incarnation: int, inputs: Sequence[Input], now_ms: int
    ) -> list[Plan]:
        """
        Return one plan for each input, in order.

        All state writes happen before: their ports promise that no plan becomes durable unless
        they do, so a timer or a fan-out can be missing for no plan that stands.
        """
        parts = self._parts
        await parts.settle(inputs, now_ms)
        await parts.again(inputs)
        await parts.intervals.resolve(inputs, lane, now_ms)
        work = await self._audiences(inputs)
        away = await parts.people.load(work.all, now_ms, lane)
        await parts.successors(inputs, now_ms)
        facts = await self._facts(inputs, work, now_ms, lane)
        away += facts.away
        created_at = show_instant(now_ms)
        for entry, run in work.few:
            run.planned = plan_run(entry, run, facts, created_at)
        for entry, run, numbers in work.many:
            started = await parts.fanouts.start(entry, run, numbers, lane, now_ms)
            run.planned = _with_unknown(entry, run, started, facts, created_at)
        for entry, run, numbers in work.cut:
            started = await parts.parts.start(entry, run, numbers, lane, now_ms)
            run.planned = _with_unknown(entry, run, started, facts, created_at)
        redone = [entry for entry in inputs if entry.redone]
        if redone:
            await parts.hold.keep_waiting(redone)
        held = Held(lane, now_ms)
        await parts.hold.claim(inputs, held)
        plans = [
            _plan(entry, entry.record, held, incarnation, now_ms)
            if isinstance(entry.record, Event)
            else _plan_of_other(entry, held, incarnation, now_ms)
            for entry in inputs
        ]
        await parts.hold.arm(held)
        await parts.intervals.arm(inputs, lane, now_ms)
        return [msgspec.structs.replace(plan, facts_away=away) for plan in plans] if away else plans

    async def _audiences(self, inputs: Sequence[Input]) -> _Work:
        work = _Work()
        audiences = self._parts.audiences
        for entry in inputs:
            if entry.event is entry.record and entry.event.send_ms is not None:
                for run in entry.runs:
                    run.planned = scheduled_run(run)
                continue
            for run in entry.runs:
                if run.only is not None:
                    resolved = Resolved([])
                    resolved.numbers = run.only.recipients
                else:
                    terms = audiences.terms(entry, run)
                    resolved = audiences.named(terms) or await audiences.resolve(terms, entry)
                    if entry.event is not None and entry.event.exclude is not None:
                        await self._leave_out(entry, resolved)
                self._sort(work, entry, run, resolved)
        return work

    async def _leave_out(self, entry: Input, resolved: Resolved) -> None:
        names, numbers = await self._parts.audiences.excluded(entry)
        resolved.named = [term for term in resolved.named if term.id not in names]
        if resolved.numbers:
            # Who is excluded by id may be in a group.
            numbers = numbers | await self._parts.people.numbers(names)
            resolved.numbers = resolved.numbers - numbers

    def _sort(self, work: _Work, entry: Input, run: Run, resolved: Resolved) -> None:
        size = len(resolved.named) + len(resolved.numbers)
        many = resolved.many or size > self._parts.fanout_threshold
        if run.only is None and many:
            work.all.append((entry, run, Resolved(resolved.named)))
            some = work.cut if run.workflow.intervals else work.many
            some.append((entry, run, resolved.numbers))
        else:
            work.all.append((entry, run, resolved))
            work.few.append((entry, run))

    async def _facts(
        self, inputs: Sequence[Input], work: _Work, now_ms: int, lane: Lane
    ) -> BatchFacts:
        recipients = {
            one.number: one for _, run in work.few for _, one in run.recipients if one is not None
        }
        keys = {
            entry.event.cancellation_key
            for entry in inputs
            if entry.event is not None and entry.event.cancellation_key is not None
        }
        people = list(recipients.values())
        return await self._parts.facts.load(people, sorted(keys), now_ms, lane)


def _plan_of_other(entry: Input, held: Held, incarnation: int, now_ms: int) -> Plan:
    """Return the plan of a record that is no event: poison, a release, people of a fan-out."""
    record = entry.record
    if isinstance(record, Poison):
        return _bare(entry, incarnation, now_ms, b"", Outcome.POISON, record.detail)
    event = entry.event
    if entry.repeat or event is None:
        return _bare(entry, incarnation, now_ms, record.key, Outcome.REPEAT, "")
    return msgspec.structs.replace(
        _plan(entry, event, held, incarnation, now_ms),
        input_key=record.key,
        released=record.key if isinstance(record, Release) else None,
        replay_of=record.replay_of if isinstance(record, Release) else None,
        generation=record.generation if isinstance(record, Release) else 0,
        event_position=entry.event_position,
    )


def _with_unknown(
    entry: Input, run: Run, started: PlannedRun, facts: BatchFacts, created_at: str
) -> PlannedRun:
    """Add to a fan-out's run whoever the call names and nobody knows: they have no number."""
    run.recipients = [(id, one) for id, one in run.recipients if one is None]
    if not run.recipients:
        return started
    planned = plan_run(entry, run, facts, created_at)
    return msgspec.structs.replace(planned, fanout=started.fanout, waits=started.waits)


def _plan(entry: Input, event: Event, held: Held, incarnation: int, now_ms: int) -> Plan:
    """Return the plan of an event whose runs are decided; what waits is noted."""
    runs = entry.aliases
    for run in entry.runs:
        assert run.planned is not None
        if run.waits:
            held.note(entry, run.planned, run.only)
        runs.append(run.planned)
    return Plan(
        incarnation,
        entry.position,
        entry.previous,
        event.key,
        event.key,
        now_ms,
        _outcome(runs, entry),
        tuple(runs),
        entry.alias_of,
        entry.detail,
        event.trace,
        event.tenant,
        event.locale,
        None,
        entry.position,
        producer=event.producer,
    )


def _outcome(runs: Sequence[PlannedRun], entry: Input) -> Outcome:
    if entry.alias_of is not None:
        return Outcome.ALIAS
    if not runs:
        return Outcome.NO_WORKFLOW
    for run in runs:
        if run.outcome in _ROUTED:
            return run.outcome
    return Outcome.EMPTY_AUDIENCE


_ROUTED: Final = (Outcome.ROUTED, Outcome.SCHEDULED)


def _bare(
    entry: Input, incarnation: int, now_ms: int, key: bytes, outcome: Outcome, detail: str
) -> Plan:
    return Plan(
        incarnation,
        entry.position,
        entry.previous,
        key,
        key,
        now_ms,
        outcome,
        detail=detail,
        event_position=entry.position,
    )
