"""What happened, as answers show it."""

from __future__ import annotations

import msgspec

from tocsin.api.shared import shown_time
from tocsin.app.history.ledger import EventView, NoteView, ShownDelivery, ShownNote
from tocsin.domain.ids import (
    accepted_ms,
    generation_before,
    show_delivery,
    show_event,
    show_fanout,
    show_notification,
)
from tocsin.domain.inbox import ItemState
from tocsin.domain.pauses import until_unless_resumed
from tocsin.domain.records import Attempt, PlannedRun, Settled


class RunAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One workflow of an event; ``alias_of`` is the event that ran it instead."""

    workflow: str
    version: int
    lane: str
    outcome: str
    notifications: int
    fanout: str | None
    alias_of: str | None


class FanoutShown(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How far a fan-out has come."""

    id: str
    workflow: str
    state: str
    audience: int
    decided: int


class EventAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An event and what became of it; ``event_id`` is its producer's own id."""

    id: str
    source: str
    event_id: str
    type: str
    subject: str | None
    actor: str | None
    tenant: str | None
    time: str | None
    accepted_at: str | None
    expires_at: str | None
    producer: str
    outcome: str
    detail: str
    lanes: list[str]
    runs: list[RunAnswer]
    fanouts: list[FanoutShown]
    alias_of: str | None
    data: msgspec.Raw


class DeliveryAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One delivery: the decision, and where it stands."""

    id: str
    step: int
    channel: str
    address: int
    state: str
    reason: str
    rule: str
    decided_at: str | None
    at: str | None
    until: str | None
    replay_of: str | None


class NotificationAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One run of a workflow for one recipient."""

    id: str
    event: str
    workflow: str
    version: int
    category: str
    lane: str
    recipient: str
    accepted_at: str | None
    expires_at: str | None
    deliveries: list[DeliveryAnswer]


class ConsideredAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    A provider that was considered for an attempt, in the order in which they were asked.

    ``why`` is chosen | open | paused | not_taken, empty where its turn had not come. ``percent``
    of the deliveries of the route were given to it first, as its weight and its health were then.
    """

    provider: str
    why: str
    percent: int


class AttemptAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    One attempt, its outcome, or a receipt: ``kind`` is attempt | outcome | receipt.

    An attempt names its ``route`` and who was ``considered`` where there was a choice.
    """

    kind: str
    at: str | None
    number: int
    provider: str
    state: str
    reason: str
    known: bool
    provider_id: str | None
    detail: str
    route: str = ""
    considered: list[ConsideredAnswer] = []


class EngagementAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """When the recipient did something with the inbox item."""

    received_at: str | None
    seen_at: str | None
    read_at: str | None
    acknowledged_at: str | None
    archived_at: str | None


class NotificationDetail(NotificationAnswer, kw_only=True, forbid_unknown_fields=True):
    """A notification with everything that is known of it."""

    attempts: dict[str, list[AttemptAnswer]]
    engagement: EngagementAnswer | None


def show_event_view(view: EventView) -> EventAnswer:
    """Return an event's answer; what its lanes share is that of the first."""
    first = view.lanes[0].event
    plans = [lane.own for lane in view.lanes if lane.own is not None]
    alias_of = next((plan.alias_of for plan in plans if plan.alias_of is not None), None)
    return EventAnswer(
        id=show_event(first.key),
        source=first.source,
        event_id=first.id,
        type=first.type,
        subject=first.subject,
        actor=first.actor,
        tenant=first.tenant,
        time=shown_time(first.time_ms),
        accepted_at=shown_time(first.accepted_ms),
        expires_at=shown_time(first.expires_ms),
        producer=first.producer,
        outcome=view.outcome,
        detail=next((plan.detail for plan in plans if plan.detail), ""),
        lanes=[lane.lane for lane in view.lanes],
        runs=[
            _run(run, lane.lane)
            for lane in view.lanes
            if lane.own is not None
            for run in lane.own.runs
        ],
        fanouts=[
            FanoutShown(
                id=show_fanout(each.key),
                workflow=each.workflow,
                state=each.state,
                audience=each.audience,
                decided=each.decided,
            )
            for each in view.fanouts
        ],
        alias_of=None if alias_of is None else show_event(alias_of),
        data=msgspec.Raw(first.data),
    )


def _run(run: PlannedRun, lane: str) -> RunAnswer:
    return RunAnswer(
        workflow=run.workflow,
        version=run.version,
        lane=lane,
        outcome=run.outcome,
        notifications=len(run.notifications),
        fanout=None if run.fanout is None else show_fanout(run.fanout),
        alias_of=None if run.owner is None else show_event(run.owner),
    )


def show_note(shown: ShownNote) -> NotificationAnswer:
    """Return a notification's answer."""
    note = shown.note
    return NotificationAnswer(
        id=show_notification(note.key),
        event=show_event(note.event),
        workflow=note.workflow,
        version=note.version,
        category=note.category,
        lane=note.lane,
        recipient=note.recipient_id,
        accepted_at=shown_time(accepted_ms(note.key)),
        expires_at=shown_time(note.expires_ms),
        deliveries=[_delivery(each) for each in shown.deliveries],
    )


def show_detail(view: NoteView) -> NotificationDetail:
    """Return a notification's answer with its trail."""
    note = show_note(view.shown)
    return NotificationDetail(
        **{name: getattr(note, name) for name in note.__struct_fields__},
        attempts={
            show_delivery(key): [show_attempt(each) for each in some]
            for key, some in view.trail.items()
        },
        engagement=show_engagement(view.engagement),
    )


def _delivery(shown: ShownDelivery) -> DeliveryAnswer:
    decision = shown.planned.decision
    own = shown.standing.reason == decision.reason
    return DeliveryAnswer(
        id=show_delivery(shown.planned.delivery),
        step=decision.step,
        channel=decision.channel,
        address=decision.address,
        state=shown.standing.state,
        reason=shown.standing.reason,
        rule=decision.rule if own else "",
        decided_at=shown_time(shown.planned.decided_ms),
        at=shown_time(shown.standing.at_ms),
        until=shown_time(until_unless_resumed(shown.standing.until_ms))
        if shown.standing.state == "deferred"
        else None,
        replay_of=_replay_of(shown.planned.delivery),
    )


def _replay_of(delivery: bytes) -> str | None:
    before = generation_before(delivery)
    return None if before is None else show_delivery(before)


def show_attempt(record: Attempt | Settled) -> AttemptAnswer:
    """Return an entry of a delivery's trail."""
    if isinstance(record, Attempt):
        return AttemptAnswer(
            kind="attempt",
            at=shown_time(record.at_ms),
            number=record.number,
            provider=record.provider,
            state="sending",
            reason="",
            known=True,
            provider_id=None,
            detail="",
            route=record.route,
            considered=[
                ConsideredAnswer(provider=name, why=why, percent=percent)
                for name, why, percent in record.considered
            ],
        )
    return AttemptAnswer(
        kind="receipt" if record.receipt else "outcome",
        at=shown_time(record.at_ms),
        number=record.attempt,
        provider=record.provider,
        state=record.state,
        reason=record.reason,
        known=record.known,
        provider_id=record.provider_id,
        detail=record.detail,
    )


def show_engagement(state: ItemState | None) -> EngagementAnswer | None:
    """Return what the recipient did, None where there is no inbox item."""
    if state is None:
        return None
    return EngagementAnswer(
        received_at=shown_time(state.received_ms),
        seen_at=shown_time(state.seen_ms),
        read_at=shown_time(state.read_ms),
        acknowledged_at=shown_time(state.acknowledged_ms),
        archived_at=shown_time(state.archived_ms),
    )
