"""From plans to what they say about each delivery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tocsin.domain.channels import INBOX
from tocsin.domain.decision import Decision
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.records import Event, Plan

if TYPE_CHECKING:
    from tests.simulation.final import Final


@dataclass(frozen=True, slots=True)
class Placed:
    """A record of the log with its place."""

    lane: str
    partition: int
    position: int
    record: Any


@dataclass(frozen=True, slots=True)
class Planned:
    """One decision about one delivery."""

    delivery: bytes
    event: bytes
    lane: str
    workflow: str
    recipient: int
    recipient_id: str
    decision: Decision
    plan: Plan
    place: Placed


def planned(final: Final) -> Iterator[Planned]:
    """Yield every decision about the inbox of every plan, in the order of the log."""
    return (each for each in decided(final) if each.decision.channel == INBOX)


def decided(final: Final) -> Iterator[Planned]:
    """Yield every decision of every plan, in the order of the log."""
    for place in final.plans:
        plan: Plan = place.record
        for run in plan.runs:
            for note in run.notifications:
                key = notification_key(EventKey(plan.event), run.index, note.recipient)
                for decision in note.decisions:
                    yield Planned(
                        delivery_key(key, decision.step, decision.address),
                        plan.event,
                        place.lane,
                        run.workflow,
                        note.recipient,
                        note.recipient_id,
                        decision,
                        plan,
                        place,
                    )


def tokens(final: Final) -> dict[bytes, str]:
    """Return each event's token by its key; it travels as the event's subject."""
    return {
        place.record.key: str(place.record.subject)
        for place in final.inputs
        if isinstance(place.record, Event)
    }
