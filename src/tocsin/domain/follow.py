"""What follows from a plan: inbox items and hand-offs, a pure function of the record."""

from __future__ import annotations

from typing import Final

from tocsin.domain.channels import INBOX
from tocsin.domain.decision import Decision, PlannedNotification
from tocsin.domain.ids import EventKey, NotificationKey, delivery_key, notification_key
from tocsin.domain.items import body
from tocsin.domain.reasons import Verdict
from tocsin.domain.records import Handoff, Item, Plan, PlannedRun

# An enumeration's member costs as much to name as a record to make, and this is named for each.
_SEND: Final = Verdict.SEND


def follow(
    plan: Plan, lane: str, partition: int, position: int
) -> list[tuple[str, int, Item | Handoff]]:
    """
    Return (topic, recipient, record) for every delivery of the plan that is to be made.

    The records carry where they come from, as (plans partition, position, index).
    """
    found: list[tuple[str, int, Item | Handoff]] = []
    for run in plan.runs:
        for note in run.notifications:
            key: NotificationKey | None = None
            for decision in note.decisions:
                if decision.verdict is not _SEND:
                    continue
                if key is None:
                    key = notification_key(EventKey(plan.event), run.index, note.recipient)
                source = (partition, position, len(found))
                if decision.channel == INBOX:
                    item = _item(plan, run, note, decision, key, source)
                    found.append((f"inbox.{lane}", note.recipient, item))
                else:
                    record = _handoff(plan, run, note.recipient, decision, key, source, lane)
                    found.append((f"deliver.{decision.channel}.{lane}", note.recipient, record))
    return found


def _item(
    plan: Plan,
    run: PlannedRun,
    note: PlannedNotification,
    decision: Decision,
    key: NotificationKey,
    source: tuple[int, int, int],
) -> Item:
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
    recipient: int,
    decision: Decision,
    key: NotificationKey,
    source: tuple[int, int, int],
    lane: str,
) -> Handoff:
    # In the order of the fields: each has to be found again when it is given by name.
    return Handoff(
        delivery_key(key, decision.step, decision.address, plan.generation),
        lane,
        source[0],
        plan.event_position,
        recipient,
        run.workflow,
        run.version,
        decision.step,
        decision.address,
        plan.decided_ms,
        run.expires_ms,
        plan.trace,
        source,
        producer=plan.producer,
    )
