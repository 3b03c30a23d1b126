"""Whose word counts: the recipient's no, her yes, then the most specific default."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.unit.domain.people import build_workflow, facts, recipients, workflows
from tocsin.domain.case import Facts
from tocsin.domain.category import Category, Tenant
from tocsin.domain.choice import choose, own_choices
from tocsin.domain.preferences import Choice, Consent, Preferences
from tocsin.domain.recipient import Recipient
from tocsin.domain.workflow import Workflow

PROMOTIONS = {"key": "offer", "on": ("offer",), "category": "promotions"}
P = "recipient.preferences"


def consent(channel: str, category: str | None, given: bool, at_ms: int = 1) -> Consent:
    return Consent(channel, category, given, "form", None, at_ms)


@pytest.mark.parametrize(
    ("preferences", "allowed", "rule"),
    [
        (Preferences(), True, "product"),
        (Preferences(channels={"sms": False}), True, "product"),
        (Preferences(channels={"push": False}), False, f"{P}.channels.push"),
        (Preferences(channels={"push": True}), True, f"{P}.channels.push"),
        (
            Preferences(categories={"promotions": Choice(False)}),
            False,
            f"{P}.categories.promotions",
        ),
        (
            Preferences(categories={"promotions": Choice(True, {"push": False})}),
            False,
            f"{P}.categories.promotions.channels.push",
        ),
        (Preferences(categories={"promotions": Choice(None, {"sms": False})}), True, "product"),
        (Preferences(categories={"news": Choice(False)}), True, "product"),
        (Preferences(workflows={"offer": Choice(False)}), False, f"{P}.workflows.offer"),
        (
            Preferences(workflows={"offer": Choice(None, {"push": False})}),
            False,
            f"{P}.workflows.offer.channels.push",
        ),
        # A no at any level wins over a yes at every other, however specific.
        (
            Preferences({"push": False}, {"promotions": Choice(True)}, {"offer": Choice(True)}),
            False,
            f"{P}.channels.push",
        ),
        (
            Preferences({"push": True}, {"promotions": Choice(False)}, {"offer": Choice(True)}),
            False,
            f"{P}.categories.promotions",
        ),
    ],
)
def test_a_recipients_no_wins(preferences: Preferences, allowed: bool, rule: str) -> None:
    recipient = Recipient(1, "ana", preferences=preferences)
    answer = choose(build_workflow(**PROMOTIONS), "push", recipient, category=None, tenant=None)
    assert (answer.allowed, answer.rule) == (allowed, rule)


@pytest.mark.parametrize(
    ("consents", "allowed", "rule"),
    [
        ([consent("push", None, False)], False, "recipient.consents.push"),
        ([consent("push", "promotions", False)], False, "recipient.consents.push.promotions"),
        ([consent("push", "news", False)], True, "product"),
        ([consent("email", None, False)], True, "product"),
        # The newest counts for its place, whatever the order of the list.
        (
            [consent("push", None, False, 1), consent("push", None, True, 2)],
            True,
            "recipient.consents.push",
        ),
        (
            [consent("push", None, True, 2), consent("push", None, False, 1)],
            True,
            "recipient.consents.push",
        ),
        (
            [consent("push", None, True, 1), consent("push", None, False, 1)],
            False,
            "recipient.consents.push",
        ),
        # A yes for the category does not undo a no for the channel.
        (
            [consent("push", None, False, 1), consent("push", "promotions", True, 2)],
            False,
            "recipient.consents.push",
        ),
    ],
)
def test_a_consent_counts_like_a_preference(
    consents: list[Consent], allowed: bool, rule: str
) -> None:
    recipient = Recipient(1, "ana", consents=tuple(consents))
    answer = choose(build_workflow(**PROMOTIONS), "push", recipient, category=None, tenant=None)
    assert (answer.allowed, answer.rule) == (allowed, rule)


WORKFLOW_NO = {"channels": {"sms": False}}
CATEGORY_NO = Category("promotions", channels={"sms": False})
CATEGORY_YES = Category("promotions", channels={"sms": True})
TENANT_NO = Tenant("acme", channels={"sms": False})
TENANT_CATEGORY_NO = Tenant("acme", "", {"sms": True}, {"promotions": Choice(False)})
TENANT_BOTH = Tenant("acme", "", {}, {"promotions": Choice(False, {"sms": True})})


@pytest.mark.parametrize(
    ("fields", "category", "tenant", "allowed", "rule"),
    [
        ({}, None, None, True, "product"),
        ({"lane": "bulk"}, None, None, False, "product.bulk.sms"),
        ({}, None, TENANT_NO, False, "tenant.channels.sms"),
        ({}, None, TENANT_CATEGORY_NO, False, "tenant.categories.promotions"),
        ({}, None, TENANT_BOTH, True, "tenant.categories.promotions.channels.sms"),
        ({}, CATEGORY_YES, TENANT_NO, True, "category.channels.sms"),
        ({}, CATEGORY_NO, None, False, "category.channels.sms"),
        ({"lane": "bulk"}, CATEGORY_YES, None, True, "category.channels.sms"),
        (WORKFLOW_NO, CATEGORY_YES, None, False, "workflow.channels.sms"),
        ({**WORKFLOW_NO, "required": True}, CATEGORY_NO, TENANT_NO, True, "workflow.required"),
    ],
)
def test_without_a_choice_the_most_specific_default_counts(
    fields: dict[str, object],
    category: Category | None,
    tenant: Tenant | None,
    allowed: bool,
    rule: str,
) -> None:
    workflow = build_workflow(**{**PROMOTIONS, **fields})
    answer = choose(workflow, "sms", Recipient(1, "ana"), category=category, tenant=tenant)
    assert (answer.allowed, answer.rule, answer.own) == (allowed, rule, False)


def test_her_own_yes_lifts_a_default() -> None:
    recipient = Recipient(1, "ana", preferences=Preferences(channels={"sms": True}))
    workflow = build_workflow(lane="bulk", channels={"sms": False})
    answer = choose(workflow, "sms", recipient, category=CATEGORY_NO, tenant=TENANT_NO)
    assert (answer.allowed, answer.own) == (True, True)


def test_nobody_switches_off_what_is_required() -> None:
    recipient = Recipient(1, "ana", preferences=Preferences(channels={"sms": False}))
    workflow = build_workflow(required=True)
    assert choose(workflow, "sms", recipient, category=None, tenant=None).allowed


@given(workflows(), recipients(1), facts())
def test_no_yes_beats_a_no(workflow: Workflow, recipient: Recipient, drawn: Facts) -> None:
    for channel in ("inbox", "push", "sms", "email"):
        answer = choose(workflow, channel, recipient, category=drawn.category, tenant=drawn.tenant)
        said = [on for on, _ in own_choices(workflow, channel, recipient)]
        if workflow.required:
            assert answer.allowed
        elif said:
            assert answer.own
            assert answer.allowed is all(said)
        else:
            assert not answer.own
