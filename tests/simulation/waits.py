"""What must hold of runs that are delayed or wait."""

from __future__ import annotations

from collections import Counter, defaultdict

from tests.simulation.final import Final
from tests.simulation.history import History
from tests.simulation.tracing import decided
from tocsin.app.routing.intervals import interval_timer
from tocsin.domain.ids import EventKey, notification_key
from tocsin.domain.intervals import interval_key
from tocsin.domain.reasons import Outcome, Reason, Verdict
from tocsin.domain.records import Continue

_BEHIND = {"nudge": (1, 2), "follow": (2,)}
"""The steps of the workflows that wait which are behind their intervals."""


def goes_on_or_not(history: History, final: Final) -> list[str]:
    """
    I9: each step behind a wait is decided once, and handed over exactly if it is to be sent.

    A cancel may be told twice: a batch that was decided before it, and lost its commit, has left the
    timer of the next wait behind, and what that lets go on is cancelled, too.
    """
    begun = {
        each.delivery[:16]: _BEHIND[each.workflow]
        for each in decided(final)
        if each.workflow in _BEHIND and each.decision.step == 0
    }
    ends: dict[bytes, list[str]] = defaultdict(list)
    sent = Counter[bytes]()
    for each in decided(final):
        if each.decision.step in _BEHIND.get(each.workflow, ()):
            ends[each.delivery].append(each.decision.reason)
            sent[each.delivery] += each.decision.verdict is Verdict.SEND
    found = [
        f"{delivery.hex()} was decided as {made}"
        for delivery, made in ends.items()
        if len(made) > 1 and set(made) != {Reason.CANCELLED}
    ]
    for run, behind in begun.items():
        steps = {delivery[16] for delivery in ends if delivery[:16] == run}
        if steps != set(behind):
            found.append(f"run {run.hex()} has decided {sorted(steps)} behind its wait")
    handed = Counter(place.record.delivery for place in final.handed)
    return found + [
        f"{delivery.hex()} is to be sent {sent[delivery]} times and was handed over {number}"
        for delivery, number in (handed | sent).items()
        if sent[delivery] != handed[delivery]
    ]


def what_was_met_is_over(history: History, final: Final) -> list[str]:
    """I9: a wait that was ended before its time is not followed by what it made needless."""
    early = {
        p.record.key for p in final.inputs if isinstance(p.record, Continue) and p.record.early
    }
    seen = {
        (person, item.id)
        for person, items in final.inboxes.items()
        for item in items
        if "seen_at" in item.flags
    }
    shown = {(p, item.id) for p, items in final.inboxes.items() for item in items}
    found = []
    for each in decided(final):
        if each.workflow != "nudge":
            continue
        reason = each.decision.reason
        if each.plan.input_key in early and each.decision.verdict is Verdict.SEND:
            found.append(f"{each.delivery.hex()} is sent although its wait was over")
        mine = (each.recipient_id, f"ntf_{each.delivery[:16].hex()}")
        if reason is Reason.NOT_NEEDED and mine in shown - seen:
            found.append(f"{each.delivery.hex()} is not needed, and nobody has seen the item")
    return found


def intervals_end_once(history: History, final: Final) -> list[str]:
    """I10: each delay and wait that a plan names is ended by exactly one plan."""
    answered = Counter(
        place.record.input_key
        for place in final.plans
        if place.record.outcome is not Outcome.REPEAT
    )
    found = []
    for place in final.plans:
        for run in place.record.runs:
            for recipient, number in run.waits:
                note = notification_key(EventKey(place.record.event), run.index, recipient)
                times = answered[interval_timer(interval_key(note, number))]
                if times != 1:
                    found.append(f"interval {number} of {note.hex()} was ended {times} times")
    return found
