"""From loaded runs to planned runs: the pure decision for each recipient, and its text."""

from __future__ import annotations

from typing import Final

from tocsin.app.routing.facts import BatchFacts
from tocsin.app.routing.holding import CANCEL
from tocsin.app.routing.inputs import RECEIPT, Input, Only, Resting, Run, data_of
from tocsin.app.routing.rendering import RunText
from tocsin.domain.case import Case
from tocsin.domain.channels import INBOX
from tocsin.domain.decide import decide, decide_one_step, decide_step, decide_steps, leave_steps
from tocsin.domain.decision import Decision, PlannedNotification
from tocsin.domain.ids import RECIPIENT_NUMBER_MAX
from tocsin.domain.instants import show_instant
from tocsin.domain.intervals import SCHEDULED, Interval
from tocsin.domain.pauses import NO_PAUSES, Pauses, parked
from tocsin.domain.reasons import Outcome, Reason, Verdict
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Event, PlannedRun, Release
from tocsin.domain.template_values import RenderFailed
from tocsin.domain.workflow import CompiledStep, Workflow

Decisions = tuple[Decision, ...]

_TO_BE_MADE: Final = frozenset({Verdict.SEND, Verdict.DEFER})
_ADDRESS_GONE: Final = frozenset({Reason.NO_ADDRESS, Reason.ADDRESS_DEAD})
_SHARED_TEXTS: Final = 64
_SENDS: Final = {
    (step, place): Decision(step, INBOX, 0, Verdict.SEND, Reason.SEND, content=place)
    for step in range(4)
    for place in range(_SHARED_TEXTS)
}
"""The decisions that nearly every inbox delivery ends with, made once."""


def plan_run(entry: Input, run: Run, facts: BatchFacts, created_at: str) -> PlannedRun:
    """Decide *run* for all of its recipients."""
    event = entry.event
    assert event is not None
    workflow = run.workflow
    if not run.recipients:
        return _planned(run, (), Outcome.EMPTY_AUDIENCE, (), None)
    held = facts.of(workflow, event.tenant)
    expires_ms = expiry(event, workflow)
    valid = workflow.check_data is None or not workflow.check_data(data_of(entry))
    may_be_cancelled = event.cancellation_key is not None
    text = RunText(entry, run, created_at) if workflow.in_inbox else None
    pauses = facts.pauses
    intervals = workflow.intervals and (run.only is None or run.only.over is not None)
    notes = []
    following: Interval | None = None
    for place, (recipient_id, recipient) in enumerate(run.recipients):
        cancelled = may_be_cancelled and facts.cancelled(event, recipient_id)
        # In the order of the fields: each has to be found again when it is given by name.
        case = Case(workflow, recipient, held, expires_ms, cancelled, valid)
        if intervals:
            decisions, following = _stretch(case, run.only)
        else:
            decisions = decide(case) if run.only is None else _again(case, run.only)
        if recipient is None:
            # No dense number, and yet each needs an id of its own in the ledger: numbers above
            # what a recipient can have.
            unknown = RECIPIENT_NUMBER_MAX + 1 + place
            notes.append(PlannedNotification(unknown, recipient_id, 0, decisions))
            continue
        if pauses is not NO_PAUSES:
            decisions = _paused(decisions, entry, run, pauses, expires_ms)
        decisions = _with_text(decisions, run, recipient, text)
        if following is not None:
            _interval(run, recipient, following, decisions)
        notes.append(
            PlannedNotification(recipient.number, recipient.id, recipient.version, decisions)
        )
    contents = () if text is None else tuple(text.contents)
    return _planned(run, tuple(notes), Outcome.ROUTED, contents, expires_ms)


def _again(case: Case, only: Only) -> Decisions:
    """
    Decide what is left of a run; a held delivery first, and when its address has gone, those that
    come in its place.

    The held one then ends as suppressed, so that it settles once, and the others are planned as
    deliveries of their own.
    """
    if only.address is None:
        return decide_one_step(case, only.step)
    first = decide_step(case, only.step, only.address)
    if first.reason not in _ADDRESS_GONE:
        return (first,)
    return (
        first,
        *(decide_step(case, only.step, number) for number in only.successors),
    )


def _paused(
    decisions: Decisions, entry: Input, run: Run, pauses: Pauses, expires_ms: int | None
) -> Decisions:
    """Let what would be sent wait where a pause parks it."""
    workflow = run.workflow
    released = isinstance(entry.record, Release)
    done = []
    for decision in decisions:
        pause = None
        if decision.verdict is Verdict.SEND:
            pause = pauses.parks(
                workflow.lane, decision.channel, workflow.key, None, released=released
            )
        done.append(decision if pause is None else parked(decision, pause, expires_ms))
    return tuple(done)


def _stretch(case: Case, only: Only | None) -> tuple[Decisions, Interval | None]:
    """
    Decide from the beginning or from an interval that is over up to the next one, and return that one.

    Who is not known, and who was cancelled, has nothing to wait for: all of it ends at once.
    """
    workflow = case.workflow
    over = only.over if only is not None else None
    number = SCHEDULED if over is None else over.number
    steps, following = workflow.after(number)
    rest = workflow.steps[workflow.begin(number) :]
    if over is not None and over.by == RECEIPT:
        rule = f"{workflow.intervals[number].unless} at {show_instant(over.at_ms)}"
        return leave_steps(case, rest, Verdict.SUPPRESS, Reason.NOT_NEEDED, rule), None
    if over is not None and over.by == CANCEL:
        return leave_steps(case, rest, Verdict.CANCEL, Reason.CANCELLED, CANCEL), None
    if case.recipient is None or case.cancelled:
        return decide_steps(case, rest), None
    return decide_steps(case, steps), following


def _interval(run: Run, recipient: Recipient, following: Interval, decisions: Decisions) -> None:
    over = run.only.over if run.only is not None else None
    fresh = [(each.step, each.address) for each in decisions if each.verdict in _TO_BE_MADE]
    made = (*(over.made if over is not None else ()), *fresh)
    run.resting = run.resting or []
    run.resting.append(Resting(recipient.number, following, made, frozenset(fresh)))


def expiry(event: Event, workflow: Workflow) -> int | None:
    """
    Return the instant of expiry: the call's own, else the workflow's.

    The workflow's counts from when the event is to be sent, else from acceptance.
    """
    if event.expires_ms is not None:
        return event.expires_ms
    if workflow.expires_in_ms is None:
        return None
    begin_ms = event.accepted_ms if event.send_ms is None else event.send_ms
    return begin_ms + workflow.expires_in_ms


def _planned(
    run: Run,
    notes: tuple[PlannedNotification, ...],
    outcome: Outcome,
    contents: tuple[bytes, ...],
    expires_ms: int | None,
) -> PlannedRun:
    return PlannedRun(
        run.workflow.key,
        run.workflow.version,
        run.index,
        notes,
        None,
        outcome,
        None,
        contents,
        run.workflow.category,
        expires_ms,
        ()
        if run.resting is None
        else tuple([(r.recipient, r.interval.number) for r in run.resting]),
    )


def _with_text(
    decisions: Decisions, run: Run, recipient: Recipient, text: RunText | None
) -> Decisions:
    """
    Put the place of the rendered text into decisions that send to the inbox.

    *text* is None where no step does; then it is only noted whether one waits.
    """
    if text is None:
        for decision in decisions:
            run.waits = run.waits or decision.verdict is Verdict.DEFER
        return decisions
    done = []
    for decision in decisions:
        if decision.verdict is not Verdict.SEND:
            run.waits = run.waits or decision.verdict is Verdict.DEFER
            done.append(decision)
        elif decision.channel == INBOX:
            done.append(rendered(decision, run.workflow, recipient, text))
        else:
            done.append(decision)
    return tuple(done)


def rendered(
    decision: Decision, workflow: Workflow, recipient: Recipient, text: RunText
) -> Decision:
    """Return the decision to send to the inbox with the place of its text in the run."""
    step = decision.step
    try:
        place = text.place(step_at(workflow, step), recipient)
    except RenderFailed as error:
        return Decision(step, INBOX, 0, Verdict.SUPPRESS, Reason.RENDER_FAILED, str(error))
    made = None if decision.rule else _SENDS.get((step, place))
    if made is not None:
        return made
    return Decision(step, INBOX, 0, Verdict.SEND, decision.reason, decision.rule, content=place)


def step_at(workflow: Workflow, index: int) -> CompiledStep:
    """Return the step by its place among all steps of the document."""
    steps = workflow.steps
    # Only steps of kinds that are not channels would leave a hole in the numbers.
    if index < len(steps) and steps[index].index == index:
        return steps[index]
    return next(step for step in steps if step.index == index)
