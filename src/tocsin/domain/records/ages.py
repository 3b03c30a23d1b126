"""When a record was written to the log, as far as it says so itself."""

from __future__ import annotations

from tocsin.domain.records.codec import Poison, Record
from tocsin.domain.records.deliveries import Attempt, Handoff, Retry, Settled
from tocsin.domain.records.inbox import Broadcast, Item, StateChange
from tocsin.domain.records.inputs import Continue, Event, Release
from tocsin.domain.records.plans import Plan


def written_ms(record: Record | Poison) -> int | None:
    """
    Return about when *record* came onto the log, in ms; None where it does not say.

    Unlike its stamp, which is the time of the event that it is about: what waited for a month is
    written a month after its event. Within a partition these times do not go back, but for jumps of
    the clock.
    """
    match record:
        case Event():
            return record.accepted_ms
        case Release() | Continue() | Retry():
            return record.due_ms
        case Plan():
            return record.decided_ms
        case Item() | Broadcast():
            return record.visible_ms
        case Handoff():
            return record.planned_ms
        case StateChange() | Attempt() | Settled():
            return record.at_ms
        case _:
            return None
