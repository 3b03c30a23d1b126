"""A hold that ended: the delivery is decided anew, in full, with what holds now."""

from __future__ import annotations

from tocsin.app.routing.deciding import expiry, rendered, step_at
from tocsin.app.routing.facts import BatchFacts, FactsStep
from tocsin.app.routing.holding import Held, HoldStep
from tocsin.app.routing.inputs import Input, Run, data_of
from tocsin.app.routing.people import PeopleStep
from tocsin.app.routing.rendering import RunText
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.domain.case import Case
from tocsin.domain.decide import decide_step
from tocsin.domain.decision import Decision, PlannedNotification
from tocsin.domain.follow import INBOX
from tocsin.domain.reasons import Outcome, Reason, Verdict
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Event, Plan, PlannedRun, Release
from tocsin.domain.times import show_time
from tocsin.domain.workflow import Workflow
from tocsin.ports.log import Log

_ADDRESS_GONE = frozenset({Reason.NO_ADDRESS, Reason.ADDRESS_DEAD})


class ReleaseStep:
    """Answers `Release` records with plans."""

    def __init__(
        self,
        log: Log,
        workflows: RunWorkflows,
        people: PeopleStep,
        facts: FactsStep,
        hold: HoldStep,
    ) -> None:
        self._log = log
        self._workflows = workflows
        self._people = people
        self._facts = facts
        self._hold = hold

    async def plan(
        self, entry: Input, release: Release, held: Held, incarnation: int, now_ms: int
    ) -> Plan:
        """Return the plan of one released delivery."""
        event = await self._event(release)
        if entry.repeat or event is None:
            return _repeat(entry, release, incarnation, now_ms)
        entry.event, entry.event_position = event, release.event_position
        planned = await self._decide(entry, event, release, now_ms)
        if event.cancellation_key is not None:
            planned = await self._hold.claim(event, planned, held)
        held.note(entry, planned)
        return Plan(
            incarnation,
            entry.position,
            entry.previous,
            release.key,
            event.key,
            now_ms,
            Outcome.ROUTED,
            (planned,),
            trace=event.trace,
            tenant=event.tenant,
            locale=event.locale,
            released=release.key,
            event_position=release.event_position,
        )

    async def _event(self, release: Release) -> Event | None:
        topic = f"events.{release.event_lane}"
        batch = await self._log.read(
            topic, release.event_partition, release.event_position, records_max=1
        )
        record = batch.records[0] if batch.records else None
        found = batch.position == release.event_position and isinstance(record, Event)
        return record if found and isinstance(record, Event) else None

    async def _decide(
        self, entry: Input, event: Event, release: Release, now_ms: int
    ) -> PlannedRun:
        key, version, index = next(w for w in event.workflows if w[2] == release.workflow_index)
        workflow = await self._workflows.version(key, version, event.content)
        run = Run(workflow, index)
        recipient = await self._people.profile(release.recipient)
        known = [recipient] if recipient is not None else []
        keys = [event.cancellation_key] if event.cancellation_key is not None else []
        facts = await self._facts.load(known, keys, now_ms)
        expires_ms = expiry(event.expires_ms, event.accepted_ms, workflow.expires_in_ms)
        case = _case(entry, run, event, recipient, facts, expires_ms)
        text = RunText(entry, run, show_time(now_ms))
        decisions = _anew(case, release, workflow)
        if recipient is not None:
            decisions = tuple(_text(each, workflow, recipient, text) for each in decisions)
        note = PlannedNotification(
            release.recipient,
            recipient.id if recipient is not None else "",
            recipient.version if recipient is not None else 0,
            decisions,
        )
        return PlannedRun(
            key,
            version,
            index,
            (note,),
            contents=tuple(text.contents),
            category=workflow.category,
            expires_ms=expires_ms,
        )


def _case(
    entry: Input,
    run: Run,
    event: Event,
    recipient: Recipient | None,
    facts: BatchFacts,
    expires_ms: int | None,
) -> Case:
    workflow = run.workflow
    return Case(
        workflow=workflow,
        recipient=recipient,
        facts=facts.of(workflow, event.tenant),
        expires_ms=expires_ms,
        cancelled=recipient is not None and facts.cancelled(event, recipient.id),
        data_valid=workflow.check_data is None or not workflow.check_data(data_of(entry)),
    )


def _anew(case: Case, release: Release, workflow: Workflow) -> tuple[Decision, ...]:
    """
    Decide the held delivery; when its address has gone, its successors, too.

    The old one then ends as suppressed, so that it settles once, and what came in its place is
    planned as deliveries of their own.
    """
    first = decide_step(case, release.step, release.address)
    if first.reason not in _ADDRESS_GONE or case.recipient is None:
        return (first,)
    channel = step_at(workflow, release.step).channel
    successors = [
        decide_step(case, release.step, address.number)
        for address in case.recipient.addresses
        if address.channel == channel and address.number > release.address
    ]
    return (first, *successors)


def _text(decision: Decision, workflow: Workflow, recipient: Recipient, text: RunText) -> Decision:
    if decision.verdict is not Verdict.SEND or decision.channel != INBOX:
        return decision
    return rendered(decision, workflow, recipient, text)


def _repeat(entry: Input, release: Release, incarnation: int, now_ms: int) -> Plan:
    return Plan(
        incarnation,
        entry.position,
        entry.previous,
        release.key,
        release.key,
        now_ms,
        Outcome.REPEAT,
        event_position=entry.position,
    )
