"""What a message is about, for programs that read it."""

from __future__ import annotations

from tocsin.domain.ids import notification_of, show_event, show_notification
from tocsin.domain.records import Event, Handoff
from tocsin.ports.message import About


def about(event: Event, handoff: Handoff, recipient: str, data: bytes) -> About:
    """Return what the message of *handoff* is about; *data* is the event's, with her own."""
    return About(
        notification=show_notification(notification_of(handoff.delivery)),
        event=show_event(event.key),
        event_id=event.id,
        event_type=event.type,
        source=event.source,
        workflow=handoff.workflow,
        recipient=recipient,
        accepted_ms=event.accepted_ms,
        data=data,
        tenant=event.tenant,
        actor=event.actor,
    )
