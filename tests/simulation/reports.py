"""What must hold of receipts: who said so, that each counts, and what they end."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.final import Final
from tests.simulation.history import History
from tests.simulation.tracing import decided
from tocsin.app.routing.intervals import interval_timer
from tocsin.domain.delivery import State
from tocsin.domain.ids import EventKey, delivery_key, notification_key, show_delivery
from tocsin.domain.intervals import interval_key
from tocsin.domain.reasons import Reason, Verdict
from tocsin.domain.records import Continue, Settled
from tocsin.ports.receipts import ReceiptState

_CHAT, _PUSH = 1, 2
"""The steps of ``follow``: what is waited for, and what it makes needless."""


_ARRIVED = frozenset({State.SENT, State.DELIVERED})


def reports_are_the_vendors(history: History, final: Final) -> list[str]:
    """I3: the log holds no receipt that the vendor never gave."""
    found = []
    for place in final.outcomes:
        each = place.record
        if not isinstance(each, Settled) or not each.receipt:
            continue
        said = final.reported.get(show_delivery(each.delivery))
        if said is None or each.state not in {said, State.SENT}:
            found.append(f"{each.delivery.hex()} is {each.state} by a receipt; said was {said}")
    return found


def reports_count(history: History, final: Final) -> list[str]:
    """I12: what the vendor said of a message that was sent is how it stands."""
    heard = {each.reference for said in history.of("report", "ok") for each in said.what["about"]}
    found = []
    for delivery, one in final.carried.items():
        reference = show_delivery(delivery)
        said = final.reported.get(reference)
        if reference in heard and one.state == State.SENT and said is not None:
            found.append(f"{reference} is {one.state}, and was reported as {said}")
    return found


def reports_end_waits(history: History, final: Final) -> list[str]:
    """I9: who was reported as reached before a wait's time is not reached another way, and only who."""
    heard_ms = _arrivals(history)
    due_ms = {
        p.record.key: p.record.due_ms
        for p in final.inputs
        if isinstance(p.record, Continue) and not p.record.early
    }
    found = []
    for each in decided(final):
        if each.workflow != "follow" or each.decision.step != _PUSH:
            continue
        note = notification_key(EventKey(each.event), 0, each.recipient)
        chat = delivery_key(note, _CHAT, 1)
        reference = show_delivery(chat)
        needless = each.decision.reason == Reason.NOT_NEEDED
        if needless and final.reported.get(reference) != ReceiptState.DELIVERED:
            found.append(f"{reference} made its follower needless and never arrived")
        if each.decision.verdict is not Verdict.SEND or history.set_back:
            continue
        arrived = chat in final.carried and final.carried[chat].state in _ARRIVED
        until_ms = due_ms.get(interval_timer(interval_key(note, 0)), 0)
        if arrived and heard_ms.get(reference, until_ms) < until_ms:
            found.append(f"{reference} had arrived in time, and its follower was sent")
    return found


def _arrivals(history: History) -> dict[str, int]:
    """Return when each report of an arrival was first acknowledged, in ms, by reference."""
    found: dict[str, int] = {}
    for said in history.of("report", "ok"):
        for each in said.what["about"]:
            if each.state == ReceiptState.DELIVERED:
                found.setdefault(each.reference, said.answer)
    return found


INVARIANTS: dict[str, Callable[[History, Final], list[str]]] = {
    "I3 reports are the vendors'": reports_are_the_vendors,
    "I9 reports end waits": reports_end_waits,
    "I12 reports count": reports_count,
}
