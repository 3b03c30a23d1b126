"""Delays and waits in documents, and what a wait makes of what it is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tocsin.domain.intervals import (
    SCHEDULED,
    DelayStep,
    Interval,
    WaitStep,
    interval_key,
    interval_number,
    is_interval,
)
from tocsin.domain.records import Reported, Settled, StateChange
from tocsin.domain.waiting import Fact, Judgement, Stage, fact_of, fact_of_report, facts_of, judge
from tocsin.domain.workflow import compile_workflow, publish_warnings
from tocsin.domain.workflow_read import read_document, show_document
from tocsin.errors import RequestRefused
from tocsin.ports.receipts import ReceiptState

INBOX = {"channel": "inbox", "title": "t", "body": "b"}
PUSH = {"channel": "push"}
EMAIL = {"channel": "email"}
SMS = {"channel": "sms"}
RUN = bytes(16)


def waiting(for_: str = "30s", unless: object = "read", **more: object) -> dict[str, Any]:
    return {"wait": {"for": for_, "unless": unless, **more}}


def document(*steps: object, **more: object) -> dict[str, Any]:
    return {"key": "a", "steps": list(steps), **more}


def test_intervals_are_read_shown_and_compiled() -> None:
    read = read_document(
        document(INBOX, {"delay": "2h"}, PUSH, waiting(of=["push"]), EMAIL, expires_in="3h")
    )
    assert read.steps[1] == DelayStep(7_200_000)
    assert read.steps[3] == WaitStep(30_000, "read", ("push",))
    assert read_document(show_document(read)) == read
    workflow = compile_workflow(read, 1)
    assert [(step.index, step.channel) for step in workflow.steps] == [
        (0, "inbox"),
        (1, "push"),
        (2, "email"),
    ]
    delay, wait = workflow.intervals
    assert delay == Interval(0, 1, 7_200_000)
    assert wait == Interval(1, 2, 30_000, "read", (1,))
    assert [step.index for step in workflow.opening] == [0]
    assert workflow.after(SCHEDULED) == (workflow.steps[:1], delay)
    assert workflow.after(0) == (workflow.steps[1:2], wait)
    assert workflow.after(1) == (workflow.steps[2:], None)
    assert workflow.watches


def test_a_wait_without_of_looks_at_all_earlier_channel_steps() -> None:
    steps = [INBOX, {"delay": "1m"}, PUSH, waiting(), EMAIL]
    workflow = compile_workflow(read_document(document(*steps)), 1)
    assert workflow.intervals[1].of == (0, 1)


def test_a_workflow_without_intervals_is_one_stretch() -> None:
    workflow = compile_workflow(read_document(document(INBOX, PUSH)), 1)
    assert workflow.opening is workflow.steps
    assert not workflow.watches


@pytest.mark.parametrize(
    ("steps", "pointer", "code"),
    [
        ([INBOX, {"delay": "2h"}], "/steps/1", "nothing_follows"),
        ([INBOX, waiting()], "/steps/1", "nothing_follows"),
        ([waiting(), INBOX], "/steps/0/wait", "nothing_before"),
        ([INBOX, {"delay": "soon"}, PUSH], "/steps/1/delay", "invalid_duration"),
        ([INBOX, {"delay": 5}, PUSH], "/steps/1/delay", "wrong_type"),
        ([INBOX, {"delay": None}, PUSH], "/steps/1/delay", "missing"),
        ([INBOX, {"delay": "1h", "name": "x"}, PUSH], "/steps/1/name", "unknown_field"),
        ([INBOX, {"wait": "1h"}, PUSH], "/steps/1/wait", "wrong_type"),
        ([INBOX, {"wait": {"for": "1h"}}, PUSH], "/steps/1/wait/unless", "missing"),
        ([INBOX, {"wait": {"unless": "read"}}, PUSH], "/steps/1/wait/for", "missing"),
        ([INBOX, waiting(unless="seen"), PUSH], "/steps/1/wait/unless", "invalid_value"),
        ([INBOX, waiting(of=[]), PUSH], "/steps/1/wait/of", "empty"),
        ([INBOX, waiting(of=[5]), PUSH], "/steps/1/wait/of/0", "wrong_type"),
        ([INBOX, waiting(of=["email"]), EMAIL], "/steps/1/wait/of/0", "unknown_step"),
        ([INBOX, waiting(for_="2d"), PUSH], "/steps/1", "longer_than_expiry"),
        ([INBOX, {"delay": "1d"}, PUSH, {"delay": "1d"}, EMAIL], "/steps/3", "longer_than_expiry"),
    ],
)
def test_a_mistake_is_named_at_its_place(steps: list[object], pointer: str, code: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_document(document(*steps, expires_in="2d"))
    assert (pointer, code) in [(each.pointer, each.code) for each in refused.value.errors]


def test_publishing_warns_of_a_wait_that_nothing_can_end() -> None:
    steps = [SMS | {"title": "t"}, waiting(unless="delivered"), EMAIL]
    workflow = compile_workflow(read_document(document(*steps, audience={"path": "data.to"})), 1)
    configured = {"sms", "email"}
    (warning,) = publish_warnings(workflow, configured)
    assert "the wait before step 'email' always takes its whole time" in warning
    assert publish_warnings(workflow, configured, {"sms": ["delivered"]}) == []
    # No key is asked for here; and that it has arrived does not say that somebody pressed one.
    assert len(publish_warnings(workflow, configured, {"sms": ["acknowledged"]})) == 1
    both = [*steps[:2], EMAIL, waiting(unless="acknowledged"), {**SMS, "name": "last"}]
    workflow = compile_workflow(read_document(document(*both, audience={"path": "data.to"})), 1)
    assert publish_warnings(workflow, configured, {"sms": ["acknowledged"]}) == []
    steps = [SMS | {"title": "t"}, waiting(unless="acknowledged"), EMAIL]
    workflow = compile_workflow(read_document(document(*steps, audience={"path": "data.to"})), 1)
    assert len(publish_warnings(workflow, configured, {"sms": ["delivered", "read"]})) == 1
    shown = [INBOX, waiting(unless="acknowledged"), EMAIL]
    workflow = compile_workflow(read_document(document(*shown, audience={"path": "data.to"})), 1)
    assert publish_warnings(workflow, {"inbox", "email"}) == []


def test_publishing_warns_of_a_wait_that_only_the_app_can_end() -> None:
    steps = [PUSH | {"title": "t"}, waiting(unless="delivered"), EMAIL]
    workflow = compile_workflow(read_document(document(*steps, audience={"path": "data.to"})), 1)
    configured = {"push", "email"}
    (warning,) = publish_warnings(workflow, configured)
    assert "ends early only if the app itself says that a message was delivered" in warning
    assert publish_warnings(workflow, configured, {"push": ["delivered"]}) == []


@pytest.mark.parametrize("number", [SCHEDULED, 0, 7])
def test_the_key_of_an_interval_is_none_of_a_delivery(number: int) -> None:
    key = interval_key(RUN, number)
    assert is_interval(key)
    assert interval_number(key) == number
    assert not is_interval(RUN + bytes((19, 255, 255, 255)))


def test_a_wait_is_open_until_all_that_it_looks_at_has_settled() -> None:
    inbox, push = Fact(b"i", "sent", 5), Fact(b"p")
    assert judge("read", [inbox, push]).stage is Stage.OPEN
    assert judge("read", [inbox, Fact(b"p", "sent", 9)]) == Judgement(Stage.RUNS, 9)
    assert judge("read", [inbox, Fact(b"p", "failed", 9)]) == Judgement(Stage.RUNS, 9)
    assert judge("read", [Fact(b"p", "suppressed", 9)]).stage is Stage.VAIN


@pytest.mark.parametrize(
    ("unless", "fact", "met"),
    [
        ("delivered", Fact(b"p", "sent", 5, 6), True),
        ("delivered", Fact(b"p", "sent", 5, None, 6), True),
        ("read", Fact(b"p", "sent", 5, 6), False),
        ("read", Fact(b"p", "sent", 5, None, None, 6), True),
        ("acknowledged", Fact(b"p", "sent", 5, 6, 6), False),
        ("acknowledged", Fact(b"p", "", None, None, None, 6), True),
    ],
)
def test_each_condition_includes_those_behind_it(unless: str, fact: Fact, met: bool) -> None:
    judgement = judge(unless, [fact])
    assert (judgement.stage is Stage.MET) is met
    assert not met or judgement.at_ms == 6


def test_the_first_that_met_it_counts() -> None:
    facts = [Fact(b"a", "sent", 1, 9, 9), Fact(b"b", "sent", 1, 7, 7), Fact(b"c")]
    assert judge("read", facts) == Judgement(Stage.MET, 7)


def test_outcomes_receipts_and_changes_become_facts() -> None:
    def settled(state: str, *, receipt: bool = False) -> Settled:
        return Settled(b"d", "bulk", "push", state, "", 5, receipt=receipt)

    assert fact_of(settled("sent")) == Fact(b"d", "sent", 5)
    assert fact_of(settled("deferred")) is None
    assert fact_of(settled("delivered", receipt=True)) == Fact(b"d", "delivered", 5, 5)
    assert fact_of(settled("opened", receipt=True)) == Fact(b"d", read_ms=5)
    assert fact_of(settled("failed", receipt=True)) == Fact(b"d", "failed", 5)
    change = StateChange(1, "ana", "acknowledge", (RUN,), 5)
    assert facts_of(change) == [Fact(RUN, "", None, 5, 5, 5)]
    assert facts_of(StateChange(1, "ana", "unread", (RUN,), 5)) == ()


def test_a_receipt_says_of_a_wait_what_it_says_once_it_is_told() -> None:
    for state in ReceiptState:
        told = fact_of(Settled(b"d", "bulk", "push", state, "", 5, receipt=True))
        early = fact_of_report(Reported(b"d", "pager", state, "", 5))
        times = None if told is None else msgspec.structs.replace(told, state="", settled_ms=None)
        assert early == (None if times == Fact(b"d") else times), state
    assert fact_of_report(Reported(b"d", "pager", "failed", "", 5)) is None
    assert fact_of_report(Reported(b"d", "pager", "acknowledged", "", 5)) is not None
