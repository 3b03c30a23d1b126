"""What it means that nobody took a call: nothing yet, or that it has failed."""

from __future__ import annotations

from tocsin.app.receipts.reports import news, proves
from tocsin.domain.attempts import History, history
from tocsin.domain.records import Attempt, Reported, Settled

DELIVERY = bytes(20)


def attempt(number: int) -> Attempt:
    return Attempt(DELIVERY, number, 1, "phone", "dlv_1", number * 1_000, "voice", "critical")


def settled(number: int, state: str, reason: str) -> Settled:
    known = reason != "ringing"
    return Settled(
        DELIVERY,
        "critical",
        "voice",
        state,
        reason,
        number * 1_000,
        attempt=number,
        provider="phone",
        known=known,
    )


def rung(times: int, *, last: bool = False) -> History:
    """Return a delivery that was called so often; after the *last* there is no other."""
    records: list[Attempt | Settled] = []
    for number in range(1, times + 1):
        ended = last and number == times
        state = ("sent", "accepted") if ended else ("deferred", "ringing")
        records += [attempt(number), settled(number, *state)]
    return history(records)


def report(state: str, number: int, at_ms: int = 5_000) -> Reported:
    return Reported(DELIVERY, "phone", state, "unanswered", at_ms, detail="busy", attempt=number)


def told(found: list[Settled]) -> list[tuple[str, str, str]]:
    return [(each.state, each.reason, each.detail) for each in found]


def test_while_there_is_another_attempt_it_is_a_note() -> None:
    known = rung(1)
    assert told(news(report("unanswered", 1), known)) == [("deferred", "unanswered", "busy")]
    assert not known.ended
    assert news(report("unanswered", 1), known) == []


def test_the_last_one_fails() -> None:
    known = rung(2, last=True)
    assert told(news(report("unanswered", 2), known)) == [("failed", "unanswered", "busy")]
    assert news(report("unanswered", 2), known) == []


def test_an_earlier_one_that_is_heard_of_late_does_not_fail_the_last() -> None:
    known = rung(2, last=True)
    assert told(news(report("unanswered", 1), known)) == [("deferred", "unanswered", "busy")]
    assert told(news(report("unanswered", 2), known)) == [("failed", "unanswered", "busy")]


def test_who_took_it_is_not_lost_by_a_later_word() -> None:
    known = rung(1)
    states = [each.state for each in news(report("delivered", 0), known)]
    assert states == ["sent", "delivered"]
    assert told(news(report("unanswered", 1), known)) == [("deferred", "unanswered", "busy")]


def test_a_key_ends_what_is_ringing() -> None:
    known = rung(1)
    states = [each.state for each in news(report("acknowledged", 0), known)]
    assert states == ["sent", "delivered", "acknowledged"]
    assert known.ended


def test_it_proves_nothing() -> None:
    assert not proves(report("unanswered", 1))
    assert proves(report("delivered", 1))
