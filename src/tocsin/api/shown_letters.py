"""Dead letters, as answers show them."""

from __future__ import annotations

import msgspec

from tocsin.api.shared import shown_time
from tocsin.api.shown_history import AttemptAnswer, show_attempt
from tocsin.app.dead_letters.desk import Named
from tocsin.app.dead_letters.showing import Letter
from tocsin.domain.dead_letters import Kind
from tocsin.domain.ids import notification_of, show_delivery, show_event, show_notification
from tocsin.domain.records import Event


class DeadLetterAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    One dead letter: a delivery that failed, or an input record that could not be decided.

    ``state`` is waiting | replaying | replayed | discarded; ``by`` and ``why`` say who moved it.
    """

    id: str
    kind: str
    notification: str | None
    recipient: str | None
    lane: str
    channel: str | None
    workflow: str | None
    provider: str | None
    reason: str
    detail: str
    at: str | None
    state: str
    changed_at: str | None
    by: str | None
    why: str | None


class LetterEvent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The event that it is about."""

    id: str
    source: str
    event_id: str
    type: str
    accepted_at: str | None
    data: msgspec.Raw


class LetterContent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What it says, rendered again from the versions that its run keeps."""

    title: str
    body: str
    fields: dict[str, str]


class DeadLetterDetail(DeadLetterAnswer, kw_only=True, forbid_unknown_fields=True):
    """
    A dead letter with everything that is kept of it.

    Without ``content``, ``content_missing`` says why. ``replay`` is the delivery made in its place.
    """

    event: LetterEvent | None
    version: int | None
    address: str | None
    content: LetterContent | None
    content_missing: str
    attempts: list[AttemptAnswer]
    replay: str | None


def show(named: Named) -> DeadLetterAnswer:
    """Return one as a list shows it."""
    letter = named.letter
    delivery = letter.kind is Kind.DELIVERY
    return DeadLetterAnswer(
        id=letter.id,
        kind=letter.kind,
        notification=show_notification(notification_of(letter.key)) if delivery else None,
        recipient=named.recipient or None,
        lane=letter.lane,
        channel=letter.channel or None,
        workflow=letter.workflow or None,
        provider=letter.provider or None,
        reason=letter.reason,
        detail=letter.detail,
        at=shown_time(letter.at_ms),
        state=letter.state,
        changed_at=shown_time(letter.changed_ms or None),
        by=letter.by or None,
        why=letter.why or None,
    )


def show_letter(letter: Letter) -> DeadLetterDetail:
    """Return one with everything."""
    plain = show(letter.named)
    content = letter.content
    return DeadLetterDetail(
        **{name: getattr(plain, name) for name in plain.__struct_fields__},
        event=None if letter.event is None else _event(letter.event),
        version=letter.version,
        address=letter.address,
        content=None
        if content is None
        else LetterContent(title=content.title, body=content.body, fields=dict(content.fields)),
        content_missing=letter.amiss,
        attempts=[show_attempt(each) for each in letter.trail],
        replay=None if letter.replay is None else show_delivery(letter.replay),
    )


def _event(event: Event) -> LetterEvent:
    return LetterEvent(
        id=show_event(event.key),
        source=event.source,
        event_id=event.id,
        type=event.type,
        accepted_at=shown_time(event.accepted_ms),
        data=msgspec.Raw(event.data),
    )
