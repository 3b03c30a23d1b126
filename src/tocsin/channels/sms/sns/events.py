"""What arrives over a topic: events of messages, and what people write back."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.channels.phones import message_id, wish_of
from tocsin.channels.replies import Replies
from tocsin.channels.sms.sns.calls import REFERENCE
from tocsin.domain.json_check import UNREADABLE
from tocsin.errors import Malformed
from tocsin.ports.receipts import ChannelWish, Reading, Receipt, ReceiptState

_DELIVERED: Final = "TEXT_DELIVERED"


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """An event of End User Messaging, or, without a type, a message that came in."""

    event_type: str = ""
    event_timestamp: int | None = None
    context: dict[str, str] = {}
    origination_number: str = ""
    message_body: str = ""
    inbound_message_id: str = ""


def reading_of(message: str, replies: Replies, at_ms: int) -> Reading:
    """Return what *message* says; raises `Malformed` for what is neither."""
    try:
        event = msgspec.json.decode(message, type=Event)
    except UNREADABLE:
        raise Malformed("an event of a message is needed") from None
    if event.event_type:
        return _reported(event, replies, at_ms)
    if not event.origination_number:
        raise Malformed("an event of a message is needed")
    return _written_back(event, at_ms)


def _reported(event: Event, replies: Replies, at_ms: int) -> Reading:
    reference = event.context.get(REFERENCE)
    if reference is None:
        return Reading()
    happened_ms = at_ms if event.event_timestamp is None else event.event_timestamp
    if event.event_type == _DELIVERED:
        state = ReceiptState.DELIVERED
        return Reading([Receipt(reference, state, state.value, happened_ms)])
    report = replies.reports.get(event.event_type)
    if report is None:
        return Reading()
    failed, dead = ReceiptState.FAILED, report.dead_address
    return Reading([Receipt(reference, failed, report.reason, happened_ms, dead, event.event_type)])


def _written_back(event: Event, at_ms: int) -> Reading:
    wanted = wish_of(event.message_body)
    if wanted is None:
        return Reading()
    detail = event.message_body.strip().upper()
    id = message_id(event.inbound_message_id)
    return Reading(wishes=[ChannelWish(event.origination_number, wanted, at_ms, detail, id)])
