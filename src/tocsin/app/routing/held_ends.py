"""Runs that wait for a delivery which was held, and then ended without being handed over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tocsin.app.routing.inputs import Input
from tocsin.domain.channels import INBOX
from tocsin.domain.decision import PlannedNotification
from tocsin.domain.history import STATE_OF
from tocsin.domain.ids import (
    EventKey,
    NotificationKey,
    delivery_key,
    notification_key,
    notification_of,
)
from tocsin.domain.reasons import Verdict
from tocsin.domain.records import Release
from tocsin.domain.waiting import Fact
from tocsin.ports.state import Waits

_OPEN = frozenset({Verdict.SEND, Verdict.DEFER})


async def tell_waits(inputs: Sequence[Input], waits: Waits, now_ms: int) -> None:
    """
    Tell them. Without a release that ends something it costs no call.

    What is handed over has an outcome, by which the tracker knows of it; these have none. The rows
    are put anew, so that it looks at them.
    """
    released = [entry for entry in inputs if type(entry.record) is Release]
    facts = [fact for entry in released for fact in _facts(entry, now_ms)]
    if not facts:
        return
    found = await waits.of_runs(
        list(dict.fromkeys(notification_of(fact.delivery) for fact in facts))
    )
    if found:
        await waits.note(facts)
        await waits.claim_put([each.wait for each in found], ())


def _facts(entry: Input, now_ms: int) -> Iterator[Fact]:
    record, event = entry.record, entry.event
    if not isinstance(record, Release) or record.generation or event is None:
        return
    for run in entry.runs:
        if run.planned is None or not run.workflow.watches:
            continue
        for note in run.planned.notifications:
            key = notification_key(EventKey(event.key), run.index, note.recipient)
            yield from _ended(key, note, now_ms)


def _ended(key: NotificationKey, note: PlannedNotification, now_ms: int) -> Iterator[Fact]:
    for decision in note.decisions:
        if decision.channel != INBOX and decision.verdict not in _OPEN:
            delivery = delivery_key(key, decision.step, decision.address)
            yield Fact(delivery, STATE_OF[decision.verdict], now_ms)
