"""How deliveries stand: the last decision about each, and what it came to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from pyroaring import BitMap

from tocsin.domain.channels import INBOX
from tocsin.domain.decision import Decision
from tocsin.domain.delivery import State
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.reasons import Outcome, Reason, Verdict
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Attempt, Broadcast, Plan, PlannedRun, Settled

STATE_OF: Final = {
    Verdict.SEND: State.PENDING,
    Verdict.DEFER: State.DEFERRED,
    Verdict.SUPPRESS: State.SUPPRESSED,
    Verdict.EXPIRE: State.EXPIRED,
    Verdict.CANCEL: State.CANCELLED,
}
"""The state of a delivery by its decision alone, until something else is known."""


class Planned(msgspec.Struct, frozen=True):
    """One delivery with the decision that stands, and the plan that it was made in."""

    delivery: bytes
    decision: Decision
    decided_ms: int
    profile_version: int
    stored: bool = False
    """A fan-out's chunk holds it: it was stored, and settled, together with the decision."""


class Note(msgspec.Struct, frozen=True):
    """One notification: a run of a workflow for one recipient, with its deliveries in order."""

    key: bytes
    event: bytes
    lane: str
    workflow: str
    version: int
    index: int
    recipient: int
    recipient_id: str
    category: str
    expires_ms: int | None
    deliveries: tuple[Planned, ...]


class Standing(msgspec.Struct, frozen=True):
    """
    Where a delivery stands: ``at_ms`` is when it came to be so, ``reason`` why.

    ``until_ms`` is when it is looked at again, where it waits for a time.
    """

    state: str
    reason: str
    at_ms: int
    until_ms: int | None = None


def notes(
    lane: str,
    runs: Iterable[tuple[Plan, PlannedRun]],
    *,
    recipient: int | None = None,
    recipient_id: str | None = None,
) -> dict[bytes, Note]:
    """
    Return notifications by key, of all recipients or of one, by number or by id.

    *runs* are in the order of the log: of two decisions about a delivery the later one stands.
    """
    found: dict[bytes, Note] = {}
    for plan, run in runs:
        for each in run.notifications:
            if recipient is not None and each.recipient != recipient:
                continue
            if recipient_id is not None and each.recipient_id != recipient_id:
                continue
            key = notification_key(EventKey(plan.event), run.index, each.recipient)
            fresh = {
                delivery_key(key, decision.step, decision.address, plan.generation): decision
                for decision in each.decisions
            }
            before = found.get(key)
            kept = {p.delivery: p for p in before.deliveries} if before is not None else {}
            kept |= {
                delivery: Planned(delivery, decision, plan.decided_ms, each.profile_version)
                for delivery, decision in fresh.items()
            }
            found[key] = Note(
                key=key,
                event=plan.event,
                lane=lane,
                workflow=run.workflow,
                version=run.version,
                index=run.index,
                recipient=each.recipient,
                recipient_id=each.recipient_id,
                category=run.category,
                expires_ms=run.expires_ms,
                deliveries=tuple(kept.values()),
            )
    return found


def reason_in(chunk: Broadcast, number: int) -> str:
    """Return what a chunk decided about a recipient, "" when it does not name them."""
    if chunk.block == number >> 16:
        for reason, numbers in chunk.by_reason.items():
            if number in BitMap.deserialize(numbers):
                return reason
    return ""


_VERDICTS: Final[dict[str, Verdict]] = {
    Reason.SEND: Verdict.SEND,
    Reason.EXPIRED: Verdict.EXPIRE,
    Reason.CANCELLED: Verdict.CANCEL,
}
"""A chunk never defers: what is not in here is suppressed."""


def handed_over(chunk: Broadcast, number: int) -> bool:
    """Return whether a chunk handed a message for that recipient over to a channel's workers."""
    return chunk.channel != INBOX and reason_in(chunk, number) == Reason.SEND


def _address_in(chunk: Broadcast, profile: Recipient | None) -> int:
    """Return where a chunk's hand-off went: it makes one only to who has one address there."""
    if profile is None:
        return 0
    of = [each.number for each in profile.addresses if each.channel == chunk.channel]
    return of[0] if len(of) == 1 else 0


def chunk_notes(
    chunks: Iterable[Broadcast],
    number: int,
    id: str,
    profile_version: int,
    profiles: Mapping[int, Recipient],
) -> dict[bytes, Note]:
    """
    Return the notifications that fan-outs' chunks hold for one recipient, by key.

    A chunk does not hold addresses: *profiles* are those of the recipient when chunks were decided
    that `handed_over` something, by that time.
    """
    found: dict[bytes, Note] = {}
    for chunk in chunks:
        reason = reason_in(chunk, number)
        if not reason:
            continue
        key = notification_key(EventKey(chunk.event), chunk.index, number)
        verdict = _VERDICTS.get(reason, Verdict.SUPPRESS)
        handed = chunk.channel != INBOX and verdict is Verdict.SEND
        address = _address_in(chunk, profiles.get(chunk.visible_ms)) if handed else 0
        decision = Decision(chunk.step, chunk.channel, address, verdict, Reason(reason))
        delivery = delivery_key(key, chunk.step, address)
        planned = Planned(delivery, decision, chunk.visible_ms, profile_version, stored=True)
        before = found.get(key)
        found[key] = Note(
            key=key,
            event=chunk.event,
            lane=chunk.lane,
            workflow=chunk.workflow,
            version=chunk.version,
            index=chunk.index,
            recipient=number,
            recipient_id=id,
            category=chunk.category,
            expires_ms=chunk.expires_ms,
            deliveries=(*(before.deliveries if before is not None else ()), planned),
        )
    return found


def last_word(trail: Sequence[Attempt | Settled]) -> Settled | None:
    """Return what a delivery's workers said last, None where nothing follows an attempt."""
    for record in reversed(trail):
        if isinstance(record, Attempt):
            return None
        if not record.receipt:
            return record
    return None


def refined(now: Standing, trail: Sequence[Attempt | Settled]) -> Standing:
    """Return where a delivery stands that is handed over: it may wait there."""
    last = last_word(trail)
    if now.state != State.PENDING or last is None or last.state != State.DEFERRED:
        return now
    return Standing(last.state, last.reason, last.at_ms, last.until_ms)


def standing(planned: Planned, settled: Mapping[bytes, Standing]) -> Standing:
    """Return where a delivery stands: as the ledger says, else as its decision does."""
    known = settled.get(planned.delivery)
    if known is not None:
        return known
    decision = planned.decision
    if planned.stored and decision.channel == INBOX and decision.verdict is Verdict.SEND:
        return Standing("sent", Reason.SEND, planned.decided_ms)
    until_ms = decision.until_ms if decision.verdict is Verdict.DEFER else None
    return Standing(STATE_OF[decision.verdict], decision.reason, planned.decided_ms, until_ms)


def outcome(plans: Iterable[Plan | None]) -> str:
    """Return what became of an event, from the plans that answer it in each of its lanes."""
    outcomes = [plan.outcome if plan is not None else None for plan in plans]
    if None in outcomes:
        return "waiting"
    for each in (
        Outcome.ROUTED,
        Outcome.SCHEDULED,
        Outcome.POISON,
        Outcome.EMPTY_AUDIENCE,
        Outcome.ALIAS,
        Outcome.NO_WORKFLOW,
    ):
        if each in outcomes:
            return each
    return "waiting"
