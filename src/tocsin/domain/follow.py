"""What follows from a plan: inbox items and hand-offs, a pure function of the record."""

from __future__ import annotations

from collections.abc import Iterator

from tocsin.domain.channels import INBOX
from tocsin.domain.decision import Decision, PlannedNotification
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.items import body
from tocsin.domain.reasons import Verdict
from tocsin.domain.records import Handoff, Item, Plan, PlannedRun


def follow(
    plan: Plan, lane: str, partition: int, position: int
) -> Iterator[tuple[str, int, Item | Handoff]]:
    """
    Yield (topic, recipient, record) for every delivery of the plan that is to be made.

    The records carry where they come from, as (plans partition, position, index).
    """
    index = 0
    for run in plan.runs:
        for note in run.notifications:
            for decision in note.decisions:
                if decision.verdict is not Verdict.SEND:
                    continue
                source = (partition, position, index)
                index += 1
                if decision.channel == INBOX:
                    yield f"inbox.{lane}", note.recipient, _item(plan, run, note, decision, source)
                else:
                    record = _handoff(plan, run, note, decision, source, lane)
                    yield f"deliver.{decision.channel}.{lane}", note.recipient, record


def _item(
    plan: Plan,
    run: PlannedRun,
    note: PlannedNotification,
    decision: Decision,
    source: tuple[int, int, int],
) -> Item:
    key = notification_key(EventKey(plan.event), run.index, note.recipient)
    return Item(
        key=key,
        recipient=note.recipient,
        recipient_id=note.recipient_id,
        visible_ms=plan.decided_ms,
        category=run.category,
        body=body(key, run.contents[decision.content]),
        expires_ms=run.expires_ms,
        plan=source,
        step=decision.step,
        trace=plan.trace,
    )


def _handoff(
    plan: Plan,
    run: PlannedRun,
    note: PlannedNotification,
    decision: Decision,
    source: tuple[int, int, int],
    lane: str,
) -> Handoff:
    key = notification_key(EventKey(plan.event), run.index, note.recipient)
    return Handoff(
        delivery=delivery_key(key, decision.step, decision.address, plan.generation),
        event_lane=lane,
        event_partition=source[0],
        event_position=plan.event_position,
        recipient=note.recipient,
        workflow=run.workflow,
        version=run.version,
        step=decision.step,
        address=decision.address,
        planned_ms=plan.decided_ms,
        expires_ms=run.expires_ms,
        trace=plan.trace,
        plan=source,
        producer=plan.producer,
    )
