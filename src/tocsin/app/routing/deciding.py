"""From loaded runs to planned runs: the pure decision for each recipient, and its text."""

from __future__ import annotations

from typing import Final

from tocsin.app.routing.facts import BatchFacts
from tocsin.app.routing.inputs import Input, Run, data_of
from tocsin.app.routing.rendering import RunText
from tocsin.domain.case import Case
from tocsin.domain.decide import decide
from tocsin.domain.decision import Decision, PlannedNotification
from tocsin.domain.follow import INBOX
from tocsin.domain.ids import RECIPIENT_NUMBER_MAX
from tocsin.domain.reasons import Outcome, Reason, Verdict
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import PlannedRun
from tocsin.domain.template_values import RenderFailed
from tocsin.domain.workflow import CompiledStep, Workflow

Decisions = tuple[Decision, ...]

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
    expires_ms = expiry(event.expires_ms, event.accepted_ms, workflow.expires_in_ms)
    valid = workflow.check_data is None or not workflow.check_data(data_of(entry))
    text = RunText(entry, run, created_at)
    notes = []
    for unknown, (recipient_id, recipient) in enumerate(run.recipients):
        case = Case(
            workflow=workflow,
            recipient=recipient,
            facts=held,
            expires_ms=expires_ms,
            cancelled=facts.cancelled(event, recipient_id),
            data_valid=valid,
        )
        decisions = _with_text(decide(case), run, recipient, text)
        if recipient is None:
            # No dense number, and yet each needs an id of its own in the ledger: numbers above
            # what a recipient can have.
            note = PlannedNotification(
                RECIPIENT_NUMBER_MAX + 1 + unknown, recipient_id, 0, decisions
            )
        else:
            note = PlannedNotification(recipient.number, recipient_id, recipient.version, decisions)
        notes.append(note)
    return _planned(run, tuple(notes), Outcome.ROUTED, tuple(text.contents), expires_ms)


def expiry(event_ms: int | None, accepted_ms: int, workflow_in_ms: int | None) -> int | None:
    """Return the instant of expiry: the call's own, else the workflow's from acceptance on."""
    if event_ms is not None:
        return event_ms
    return None if workflow_in_ms is None else accepted_ms + workflow_in_ms


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
    )


def _with_text(
    decisions: Decisions, run: Run, recipient: Recipient | None, text: RunText
) -> Decisions:
    """Put the place of the rendered text into decisions that send to the inbox."""
    if recipient is None:
        return decisions
    if len(decisions) == 1:
        return (_rendered(decisions[0], run, recipient, text),)
    return tuple(_rendered(each, run, recipient, text) for each in decisions)


def _rendered(decision: Decision, run: Run, recipient: Recipient, text: RunText) -> Decision:
    if decision.verdict is not Verdict.SEND or decision.channel != INBOX:
        return decision
    try:
        place = text.place(step_at(run.workflow, decision.step), recipient)
    except RenderFailed as error:
        return Decision(decision.step, INBOX, 0, Verdict.SUPPRESS, Reason.RENDER_FAILED, str(error))
    made = _SENDS.get((decision.step, place))
    if made is not None and not decision.rule:
        return made
    return Decision(
        decision.step, INBOX, 0, Verdict.SEND, decision.reason, decision.rule, content=place
    )


def step_at(workflow: Workflow, index: int) -> CompiledStep:
    """Return the step by its place among all steps of the document."""
    return next(step for step in workflow.steps if step.index == index)
