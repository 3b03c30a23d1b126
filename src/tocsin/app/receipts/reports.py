"""Receipts as records: as they came, and as what they mean for a delivery."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.domain.attempts import History
from tocsin.domain.delivery import DeliveryReason, State
from tocsin.domain.records import Reported, Settled
from tocsin.ports.receipts import Receipt, ReceiptState

CLIENT: Final = "client"
"""Who reports where it is the recipient's own device."""

_ARRIVED: Final = frozenset(ReceiptState) - {ReceiptState.FAILED, ReceiptState.UNANSWERED}
"""What can only be said of a message that was taken, and has arrived."""

_STATES: Final = frozenset({ReceiptState.DELIVERED, ReceiptState.FAILED})
"""What a receipt says of a delivery's state; the others say when somebody did something."""


CLOCKS_APART_MS: Final = 600_000
"""So much may a vendor's clock and ours differ and both still be believed."""

_DETAIL_CHARACTERS_MAX: Final = 200


def happened_ms(said_ms: int, since_ms: int, now_ms: int) -> int:
    """
    Return when something happened of which a vendor says *said_ms*, in ms.

    It cannot have been before *since_ms* nor after *now_ms*. What is further off than clocks are is
    no time, and then it is when we heard of it: a wish of the year 9999 would hold for ever, and
    the earliest time of an opening stays.
    """
    believed = since_ms - CLOCKS_APART_MS <= said_ms <= now_ms + CLOCKS_APART_MS
    return said_ms if believed else now_ms


def report_of(delivery: bytes, provider: str, receipt: Receipt) -> Reported:
    """Return *receipt* as it is kept."""
    return Reported(
        delivery,
        provider,
        receipt.state,
        receipt.reason,
        receipt.at_ms,
        receipt.dead_address,
        receipt.detail[:_DETAIL_CHARACTERS_MAX],
        attempt=receipt.attempt,
    )


def proves(report: Reported) -> bool:
    """Return whether *report* shows that the message was taken, and needs no other attempt."""
    return report.state != ReceiptState.UNANSWERED


def is_known(history: History) -> bool:
    """Return whether a call was made and it is written how it ended."""
    return history.last is not None and history.open is None


def may_speak(report: Reported, history: History) -> bool:
    """
    Return whether the delivery was in the hands of whoever reports: others know nothing of it.

    Before its first attempt is known, and after all are forgotten, nobody can tell.
    """
    nobody = history.last is None
    return nobody or report.provider == CLIENT or history.was_given_to(report.provider)


def news(report: Reported, history: History) -> list[Settled]:
    """
    Return what *report* adds to the log; a repeat adds nothing.

    *history* is that of its delivery, `is_known`, and takes in what is returned. Whoever opened,
    clicked or complained has the message, so it counts as delivered even if nobody says so; and
    where the answer to a call was lost, this shows that it was taken: no other attempt.
    """
    if report.state == ReceiptState.UNANSWERED:
        report = msgspec.structs.replace(report, state=_of_unanswered(report, history))
    if _is_repeat(report, history):
        return []
    found = []
    if report.state in _ARRIVED:
        if not history.ended:
            found.append(_record(report, history, State.SENT, DeliveryReason.ACCEPTED))
        if report.state != ReceiptState.DELIVERED and not _delivered(history):
            found.append(_record(report, history, State.DELIVERED, report.reason))
    found.append(_record(report, history, report.state, report.reason, report.detail))
    for each in found:
        history.take(each)
    return found


def _of_unanswered(report: Reported, history: History) -> str:
    """
    Return what it means that nobody took a call: failed, where it was the last.

    Otherwise it is no more than a note beside the attempts: the next one is due already, or has
    been made, or somebody had taken the call after all.
    """
    assert history.last is not None
    earlier = 0 < report.attempt < history.last.number
    last = history.state == State.SENT and not earlier and not _delivered(history)
    return ReceiptState.FAILED if last else State.DEFERRED


def _is_repeat(report: Reported, history: History) -> bool:
    """Of what people do the earliest time counts, in whatever order receipts come."""
    known_ms = history.receipts.get((report.provider, report.state, report.reason))
    if known_ms is None:
        return False
    return report.state in _STATES or report.at_ms >= known_ms


def _delivered(history: History) -> bool:
    return any(state in _ARRIVED for _, state, _ in history.receipts)


def _record(
    report: Reported, history: History, state: str, reason: str, detail: str = ""
) -> Settled:
    attempt = history.last
    assert attempt is not None
    return Settled(
        report.delivery,
        attempt.lane,
        attempt.channel,
        state,
        reason,
        report.at_ms,
        provider=report.provider,
        detail=detail,
        receipt=True,
    )
