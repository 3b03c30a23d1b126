"""Sentences: each state and each outcome says what happened."""

from __future__ import annotations

import pytest

from tocsin.domain.decision import Decision, GateResult
from tocsin.domain.explain import (
    AudienceStep,
    Delivery,
    Run,
    delivery_clause,
    differs,
    sentence,
    summary_outcome,
    why,
)
from tocsin.domain.inbox import ItemState
from tocsin.domain.reasons import Reason, Verdict

AT = "1970-01-01T00:00:01.000Z"
SEND = Decision(0, "push", 0, Verdict.SEND, Reason.SEND)


def delivery(state: str, reason: str = "send", decision: Decision = SEND) -> Delivery:
    return Delivery(
        delivery=bytes(20), decision=decision, decided_ms=0, state=state, reason=reason, at_ms=1_000
    )


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("sent", "send", f"was sent it by push at {AT}"),
        ("delivered", "delivered", f"got it by push at {AT}"),
        ("pending", "send", f"has not got it by push yet: it is pending since {AT}"),
        (
            "failed",
            "outcome_unknown",
            f"did not get it by push: it failed at {AT} (outcome unknown)",
        ),
        (
            "deferred",
            "timed_out",
            "will get it by push as soon as it can go because timed out",
        ),
        ("deferred", "ringing", "has not taken the call by push yet"),
        ("cancelled", "cancelled", f"did not get it by push: it was cancelled at {AT}"),
        ("expired", "expired", f"did not get it by push: it had expired at {AT}"),
        (
            "expired",
            "in_quiet_hours",
            f"did not get it by push: it had expired at {AT} because the recipient has quiet hours",
        ),
    ],
)
def test_a_delivery_is_told_by_its_state(state: str, reason: str, expected: str) -> None:
    assert delivery_clause(delivery(state, reason)) == expected


def test_what_the_reader_did_is_told() -> None:
    decision = Decision(0, "inbox", 0, Verdict.SEND, Reason.SEND)
    read = Delivery(
        delivery=bytes(20),
        decision=decision,
        decided_ms=0,
        state="delivered",
        reason="read",
        at_ms=1_000,
        engagement=ItemState(seen_ms=1_000, read_ms=2_000),
    )

    assert delivery_clause(read) == (
        f"got it by inbox at {AT} (saw it at {AT} and read it at 1970-01-01T00:00:02.000Z)"
    )


@pytest.mark.parametrize("reason", [each for each in Reason if each is not Reason.SEND])
def test_every_reason_has_a_clause(reason: Reason) -> None:
    assert why(reason) != reason.replace("_", " ")
    assert why(reason, "some.rule").endswith(" [some.rule]")


@pytest.mark.parametrize(("again", "expected"), [(Reason.SEND, False), (Reason.OPTED_OUT, True)])
def test_a_trace_that_says_something_else_is_noticed(again: Reason, expected: bool) -> None:
    assert differs(SEND, [GateResult("some", True, {}, reason=again)]) is expected
    assert not differs(SEND, [])


def test_a_run_that_never_came_to_the_recipient() -> None:
    steps = [
        AudienceStep(False, "group", "ops", "was no member then"),
        AudienceStep(False, "everyone", "", "did not exist then"),
    ]
    run = Run(workflow="w", version=2, lane="bulk", outcome="not_in_audience", audience=steps)

    assert sentence("ana", [run]) == (
        "ana was not in the audience of w (version 2): the audience was group ops: was no member"
        " then and everyone: did not exist then."
    )
    assert summary_outcome([run]) == "not_in_audience"


def test_a_difference_is_admitted_in_the_sentence() -> None:
    run = Run(
        workflow="w",
        version=1,
        lane="bulk",
        outcome="routed",
        audience=[AudienceStep(True, "recipient", "'ana' named in the call")],
        audience_differs=True,
        deliveries=[delivery("sent")],
    )

    said = sentence("ana", [run])

    assert said.startswith(f"ana was sent it by push at {AT}: w (version 1), in the audience by")
    assert said.endswith("which is what happened.")


def test_the_outcome_is_the_best_that_happened() -> None:
    runs = [
        Run(workflow="a", version=1, lane="bulk", outcome="alias"),
        Run(
            workflow="b",
            version=1,
            lane="bulk",
            outcome="routed",
            deliveries=[delivery("suppressed"), delivery("failed")],
        ),
    ]

    assert summary_outcome(runs) == "failed"
    assert summary_outcome(runs[:1]) == "alias"
