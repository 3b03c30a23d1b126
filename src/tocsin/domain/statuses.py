"""
What records of the log say about how deliveries stand: a pure function of each record.

The ledger counts the same things; here each is told by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from pyroaring import BitMap

from tocsin.domain.channels import INBOX
from tocsin.domain.delivery import OPEN
from tocsin.domain.history import STATE_OF
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.reasons import Reason
from tocsin.domain.records import Broadcast, Item, Plan, Poison, Record, Settled, StateChange

_ENDS: Final = {verdict: str(state) for verdict, state in STATE_OF.items() if state not in OPEN}
_CHUNK_STATES: Final[dict[str, str]] = {
    Reason.SEND: "sent",
    Reason.EXPIRED: "expired",
    Reason.CANCELLED: "cancelled",
}
_OPEN: Final = frozenset(str(state) for state in OPEN)


class Status(msgspec.Struct, frozen=True, gc=False):
    """
    How one delivery came to stand, and why.

    ``event`` and ``workflow`` are empty, ``recipient`` None, where the record does not say.
    """

    delivery: bytes
    at_ms: int
    lane: str
    channel: str
    state: str
    reason: str
    provider: str = ""
    attempt: int = 0
    detail: str = ""
    event: bytes = b""
    workflow: str = ""
    recipient: str | None = None


def statuses_of(topic: str, record: Record | Poison) -> Sequence[Status]:
    """Return what *record* of *topic* says, in an order that never changes."""
    lane = topic.partition(".")[2]
    match record:
        case Plan():
            return _plan(record, lane)
        case Item():
            delivery = record.key + bytes((record.step, 0, 0, 0))
            return (
                Status(
                    delivery,
                    record.visible_ms,
                    lane,
                    INBOX,
                    "sent",
                    Reason.SEND,
                    recipient=record.recipient_id,
                ),
            )
        case Broadcast():
            return ChunkStatuses(record)
        case StateChange():
            return [
                Status(
                    delivery,
                    record.at_ms,
                    of,
                    INBOX,
                    "delivered",
                    record.state,
                    recipient=record.recipient_id,
                )
                for delivery, of in record.delivered
            ]
        case Settled():
            return () if record.state in _OPEN else (_settled(record),)
        case _:
            return ()


class ChunkStatuses(Sequence[Status]):
    """
    The members of a fan-out's chunk, who may be 65,536: each is made when it is asked for.

    Those who were handed over to a channel's workers are left out: their outcomes follow.
    """

    def __init__(self, chunk: Broadcast) -> None:
        self._chunk = chunk
        self._members = [
            (reason, BitMap.deserialize(members))
            for reason, members in sorted(chunk.by_reason.items())
            if reason != Reason.SEND or chunk.channel == INBOX
        ]

    def __len__(self) -> int:
        return sum(len(members) for _, members in self._members)

    def __getitem__(self, index: int | slice) -> Status:  # type: ignore[override]  # only ever asked for one
        assert isinstance(index, int)
        for reason, members in self._members:
            if index < len(members):
                return self._status(reason, members[index])
            index -= len(members)
        raise IndexError(index)

    def _status(self, reason: str, number: int) -> Status:
        chunk = self._chunk
        key = notification_key(EventKey(chunk.event), chunk.index, number)
        return Status(
            delivery_key(key, chunk.step, 0),
            chunk.visible_ms,
            chunk.lane,
            chunk.channel,
            _CHUNK_STATES.get(reason, "suppressed"),
            reason,
            event=chunk.event,
            workflow=chunk.workflow,
        )


def _plan(plan: Plan, lane: str) -> list[Status]:
    """Only what a decision alone ended: what is to be sent is told of by who sends it."""
    found = []
    for run in plan.runs:
        for note in run.notifications:
            for decision in note.decisions:
                state = _ENDS.get(decision.verdict)
                if state is None:
                    continue
                key = notification_key(EventKey(plan.event), run.index, note.recipient)
                found.append(
                    Status(
                        delivery_key(key, decision.step, decision.address),
                        plan.decided_ms,
                        lane,
                        decision.channel,
                        state,
                        decision.reason,
                        event=plan.event,
                        workflow=run.workflow,
                        recipient=note.recipient_id,
                    )
                )
    return found


def _settled(record: Settled) -> Status:
    return Status(
        record.delivery,
        record.at_ms,
        record.lane,
        record.channel,
        record.state,
        record.reason,
        provider=record.provider,
        attempt=record.attempt,
        detail=record.detail,
    )
