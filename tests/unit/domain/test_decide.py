"""The gates, their order, and the one answer that decide and explain give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.people import (
    CHANNEL_FACTS,
    EXPIRIES,
    HOUR_MS,
    NOW_MS,
    build_workflow,
    facts,
    recipients,
    workflows,
)
from tocsin.domain.case import Case, ChannelFacts, Facts
from tocsin.domain.category import Category
from tocsin.domain.decide import decide, decide_step, trace
from tocsin.domain.decision import Decision
from tocsin.domain.gates import GATES
from tocsin.domain.preferences import Preferences, QuietHours
from tocsin.domain.reasons import Reason, Verdict
from tocsin.domain.recipient import Address, Recipient
from tocsin.domain.workflow import ChannelStep, Workflow

PHONE = Address(1, "push", b"s", b"digest")
ALL_DAY = (QuietHours((), 0, 1439),)
"""Until 23:59; it is 18:30 UTC now."""


def ana(**fields: object) -> Recipient:
    return Recipient(7, "ana", **{"addresses": (PHONE,), **fields})  # type: ignore[arg-type]  # by name


def case(**fields: object) -> Case:
    plain: dict[str, object] = {
        "workflow": one_step("push"),
        "recipient": ana(),
        "facts": Facts(now_ms=NOW_MS, channels=CHANNEL_FACTS),
    }
    return Case(**{**plain, **fields})  # type: ignore[arg-type]  # by name


def one_step(channel: str, **fields: object) -> Workflow:
    steps = (ChannelStep(channel, channel, {"title": "t"}),)
    return build_workflow(**{"steps": steps, **fields})


def some(**fields: object) -> Facts:
    return Facts(**{"now_ms": NOW_MS, "channels": CHANNEL_FACTS, **fields})  # type: ignore[arg-type]  # by name


def quiet(**fields: object) -> Recipient:
    return ana(preferences=Preferences(quiet_hours=ALL_DAY), **fields)


def do_not_disturb(until_ms: int) -> Recipient:
    return ana(preferences=Preferences(do_not_disturb_until_ms=until_ms))


def one(given_: Case) -> Decision:
    (decision,) = decide(given_)
    return decision


SEND, SUPPRESS, DEFER = Verdict.SEND, Verdict.SUPPRESS, Verdict.DEFER
EXPIRE, CANCEL = Verdict.EXPIRE, Verdict.CANCEL
NOT_SET_UP = {"push": ChannelFacts(configured=False, interrupts=True, needs_address=True)}


@pytest.mark.parametrize(
    ("given_", "verdict", "reason", "rule"),
    [
        (case(), SEND, Reason.SEND, ""),
        (
            case(facts=some(workflow_active=False)),
            SUPPRESS,
            Reason.WORKFLOW_INACTIVE,
            "workflow.active",
        ),
        (case(data_valid=False), SUPPRESS, Reason.INVALID_DATA, "workflow.schema"),
        (case(recipient=None), SUPPRESS, Reason.UNKNOWN_RECIPIENT, "recipient"),
        (case(recipient=ana(erased=True)), SUPPRESS, Reason.ERASED, "recipient.erased"),
        (case(expires_ms=NOW_MS), EXPIRE, Reason.EXPIRED, "expires_at"),
        (case(expires_ms=NOW_MS + 1), SEND, Reason.SEND, ""),
        (case(cancelled=True), CANCEL, Reason.CANCELLED, "cancellation_key"),
        (
            case(facts=some(suppressed={(7, "")})),
            SUPPRESS,
            Reason.SUPPRESSION_LIST,
            "suppressions.recipient",
        ),
        (
            case(facts=some(suppressed={(7, "push")})),
            SUPPRESS,
            Reason.SUPPRESSION_LIST,
            "suppressions.recipient.push",
        ),
        (case(facts=some(suppressed={(7, "sms"), (8, "")})), SEND, Reason.SEND, ""),
        (
            case(facts=some(suppressed_digests={(b"digest", ""): ""})),
            SUPPRESS,
            Reason.SUPPRESSION_LIST,
            "suppressions.address",
        ),
        (
            case(recipient=ana(preferences=Preferences(channels={"push": False}))),
            SUPPRESS,
            Reason.OPTED_OUT,
            "recipient.preferences.channels.push",
        ),
        (
            case(workflow=one_step("push", channels={"push": False})),
            SUPPRESS,
            Reason.OFF_BY_DEFAULT,
            "workflow.channels.push",
        ),
        (
            case(facts=some(channels=NOT_SET_UP)),
            SUPPRESS,
            Reason.CHANNEL_NOT_CONFIGURED,
            "channel.providers",
        ),
        (
            case(facts=some(channels={})),
            SUPPRESS,
            Reason.CHANNEL_NOT_CONFIGURED,
            "channel.providers",
        ),
        (case(recipient=ana(addresses=())), SUPPRESS, Reason.NO_ADDRESS, "recipient.addresses"),
        (
            case(recipient=ana(addresses=(Address(1, "push", b"", b"", dead_ms=5),))),
            SUPPRESS,
            Reason.ADDRESS_DEAD,
            "address.dead_at",
        ),
        (
            case(recipient=ana(addresses=(Address(1, "push", b"", b"", needs_verification=True),))),
            SUPPRESS,
            Reason.ADDRESS_UNVERIFIED,
            "address.verified_at",
        ),
        (
            case(recipient=quiet()),
            DEFER,
            Reason.IN_QUIET_HOURS,
            "recipient.preferences.quiet_hours",
        ),
        (
            case(
                recipient=ana(preferences=Preferences(do_not_disturb_until_ms=NOW_MS + 1)),
            ),
            DEFER,
            Reason.DO_NOT_DISTURB,
            "recipient.preferences.do_not_disturb_until",
        ),
        (
            case(recipient=ana(preferences=Preferences(do_not_disturb_until_ms=NOW_MS))),
            SEND,
            Reason.SEND,
            "",
        ),
        (
            case(recipient=quiet(), expires_ms=NOW_MS + HOUR_MS),
            EXPIRE,
            Reason.IN_QUIET_HOURS,
            "recipient.preferences.quiet_hours",
        ),
        (
            case(recipient=do_not_disturb(NOW_MS + 5), expires_ms=NOW_MS + 5),
            EXPIRE,
            Reason.DO_NOT_DISTURB,
            "recipient.preferences.do_not_disturb_until",
        ),
        # What nobody can switch off: everything but the suppression list.
        (
            case(workflow=one_step("push", required=True), recipient=quiet()),
            SEND,
            Reason.SEND,
            "",
        ),
        (
            case(workflow=one_step("push", lane="critical"), recipient=quiet()),
            SEND,
            Reason.SEND,
            "",
        ),
        (
            case(workflow=one_step("push", required=True), facts=some(suppressed={(7, "")})),
            SUPPRESS,
            Reason.SUPPRESSION_LIST,
            "suppressions.recipient",
        ),
        # What does not interrupt is not held, but for email where the category says so.
        (case(workflow=one_step("inbox"), recipient=quiet()), SEND, Reason.SEND, ""),
    ],
)
def test_a_gate_says_no_with_its_reason_and_rule(
    given_: Case, verdict: Verdict, reason: Reason, rule: str
) -> None:
    decision = one(given_)
    assert (decision.verdict, decision.reason, decision.rule) == (verdict, reason, rule)


@pytest.mark.parametrize(
    ("holds", "verdict"), [(True, Verdict.DEFER), (False, Verdict.SEND), (None, Verdict.SEND)]
)
def test_mail_is_held_where_the_category_says_so(holds: bool | None, verdict: Verdict) -> None:
    category = None if holds is None else Category("general", hold_email_in_quiet_hours=holds)
    recipient = quiet(addresses=(Address(3, "email", b"", b""),))
    decided = one(
        case(workflow=one_step("email"), recipient=recipient, facts=some(category=category))
    )
    assert decided.verdict is verdict


def test_a_hold_ends_when_the_silence_does() -> None:
    recipient = quiet(timezone="Europe/Berlin")
    # It is 20:30 in Berlin.
    assert one(case(recipient=recipient)).until_ms == NOW_MS + 3 * HOUR_MS + 29 * 60_000
    elsewhere = quiet(addresses=(Address(1, "push", b"", b"", timezone="Asia/Tokyo"),))
    assert one(case(recipient=elsewhere)).until_ms == NOW_MS + 20 * HOUR_MS + 29 * 60_000


def test_do_not_disturb_that_ends_in_quiet_hours_goes_on_with_them() -> None:
    preferences = Preferences(quiet_hours=ALL_DAY, do_not_disturb_until_ms=NOW_MS + HOUR_MS)
    decided = one(case(recipient=ana(preferences=preferences)))
    assert decided.reason is Reason.DO_NOT_DISTURB
    assert decided.until_ms == NOW_MS + 5 * HOUR_MS + 29 * 60_000


def test_the_order_of_the_gates_is_part_of_the_answer() -> None:
    assert [gate.name for gate in GATES] == [
        "workflow",
        "recipient",
        "expiry",
        "cancel",
        "suppression",
        "preference",
        "reach",
        "quiet_hours",
    ]
    # All of them say no here; the first one is the reason.
    everything = case(
        recipient=quiet(erased=True, addresses=()),
        facts=some(workflow_active=False, suppressed={(7, "")}, channels=NOT_SET_UP),
        expires_ms=0,
        cancelled=True,
    )
    assert one(everything).reason is Reason.WORKFLOW_INACTIVE


def test_there_is_one_decision_for_each_address_and_one_for_none() -> None:
    addresses = (PHONE, Address(2, "push", b"", b"", dead_ms=1), Address(5, "email", b"", b""))
    decisions = decide(case(workflow=build_workflow(), recipient=ana(addresses=addresses)))
    assert [(each.step, each.channel, each.address, each.reason) for each in decisions] == [
        (0, "inbox", 0, Reason.SEND),
        (1, "push", 1, Reason.SEND),
        (1, "push", 2, Reason.ADDRESS_DEAD),
        (2, "sms", 0, Reason.NO_ADDRESS),
        (3, "email", 5, Reason.SEND),
    ]


def test_a_held_message_whose_address_is_gone_is_suppressed() -> None:
    decision = decide_step(case(), 0, 9)
    assert (decision.address, decision.reason) == (9, Reason.NO_ADDRESS)


@given(workflows(), recipients(1) | st.none(), facts(), EXPIRIES, st.booleans(), st.booleans())
def test_explain_and_decide_never_disagree(
    workflow: Workflow,
    recipient: Recipient | None,
    drawn: Facts,
    expires_ms: int | None,
    cancelled: bool,
    data_valid: bool,
) -> None:
    given_ = Case(
        workflow=workflow,
        recipient=recipient,
        facts=drawn,
        expires_ms=expires_ms,
        cancelled=cancelled,
        data_valid=data_valid,
    )
    decisions = decide(given_)
    assert {each.step for each in decisions} == {0, 1, 2, 3}
    for decision in decisions:
        assert decide_step(given_, decision.step, decision.address) == decision
        *passed, last = trace(given_, decision.step, decision.address)
        assert all(each.passed for each in passed)
        assert last.passed is (decision.verdict is Verdict.SEND)
        assert (last.reason, last.rule, last.until_ms) == (
            decision.reason,
            decision.rule,
            decision.until_ms,
        )
        assert [each.gate for each in passed] == [gate.name for gate in GATES][: len(passed)]


@given(workflows(), recipients(1), facts(), EXPIRIES)
def test_a_hold_ends_later_and_before_the_expiry(
    workflow: Workflow, recipient: Recipient, drawn: Facts, expires_ms: int | None
) -> None:
    given_ = Case(workflow=workflow, recipient=recipient, facts=drawn, expires_ms=expires_ms)
    for decision in decide(given_):
        if decision.verdict is Verdict.DEFER:
            assert decision.until_ms is not None
            assert drawn.now_ms < decision.until_ms
            assert expires_ms is None or decision.until_ms < expires_ms
            assert not workflow.unstoppable
        else:
            assert decision.until_ms is None
