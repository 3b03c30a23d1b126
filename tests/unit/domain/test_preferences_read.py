"""The preferences document, whole and as a patch; categories and tenants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.category import (
    Category,
    Tenant,
    read_category,
    read_tenant,
    show_category,
    show_tenant,
)
from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.preferences import Choice, Preferences, QuietHours
from tocsin.domain.preferences_read import merge_preferences, read_preferences, show_preferences
from tocsin.errors import NotBuilt, RequestRefused

DOCUMENT = {
    "channels": {"sms": False},
    "categories": {"promotions": {"channels": {"push": False}, "email": True}},
    "workflows": {"order.shipped": True},
    "quiet_hours": [{"days": ["mon", "tue"], "from": "22:00", "until": "07:00"}],
    "do_not_disturb_until": "2026-03-29T18:30:00+02:00",
}
READ = Preferences(
    channels={"sms": False},
    categories={"promotions": Choice(None, {"push": False, "email": True})},
    workflows={"order.shipped": Choice(True)},
    quiet_hours=(QuietHours((0, 1), 1320, 420),),
    do_not_disturb_until_ms=1_774_801_800_000,
)

KEYS = st.sampled_from(["orders", "news", "order.shipped"])
FLAGS = st.dictionaries(st.sampled_from(sorted(CHANNEL_FIELDS)), st.booleans())
CHOICES = st.dictionaries(KEYS, st.builds(Choice, st.none() | st.booleans(), FLAGS))
WINDOWS = st.builds(
    QuietHours,
    st.sets(st.integers(0, 6)).map(lambda days: tuple(sorted(days))),
    st.integers(0, 1439),
    st.integers(0, 1439),
)
PREFERENCES = st.builds(
    Preferences,
    FLAGS,
    CHOICES,
    CHOICES,
    st.lists(WINDOWS, max_size=3).map(tuple),
    st.none() | st.integers(0, 4_000_000_000_000),
)


def test_the_document_is_read_with_its_short_forms() -> None:
    assert read_preferences(DOCUMENT) == READ
    assert read_preferences({}) == Preferences()


@given(PREFERENCES)
def test_what_is_shown_reads_as_the_same_preferences(preferences: Preferences) -> None:
    assert read_preferences(show_preferences(preferences)) == preferences


@pytest.mark.parametrize(
    ("value", "pointer", "code"),
    [
        ([], "", "wrong_type"),
        ({"chanels": {}}, "/chanels", "unknown_field"),
        ({"channels": {"smss": False}}, "/channels/smss", "unknown_field"),
        ({"channels": {"sms": "no"}}, "/channels/sms", "wrong_type"),
        ({"categories": {"a b": True}}, "/categories/a b", "invalid_key"),
        ({"categories": {"a": 5}}, "/categories/a", "wrong_type"),
        ({"categories": {"a": {"pish": True}}}, "/categories/a/pish", "unknown_field"),
        (
            {"categories": {"a": {"channels": {"push": True}, "push": False}}},
            "/categories/a/push",
            "contradiction",
        ),
        (
            {"quiet_hours": [{"from": "24:00", "until": "07:00"}]},
            "/quiet_hours/0/from",
            "invalid_value",
        ),
        (
            {"quiet_hours": [{"from": "7:00", "until": "08:00"}]},
            "/quiet_hours/0/from",
            "invalid_value",
        ),
        ({"quiet_hours": [{"from": "22:00"}]}, "/quiet_hours/0/until", "missing"),
        (
            {"quiet_hours": [{"days": ["monday"], "from": "22:00", "until": "07:00"}]},
            "/quiet_hours/0/days",
            "invalid_value",
        ),
        ({"do_not_disturb_until": "tomorrow"}, "/do_not_disturb_until", "invalid_time"),
        ({"do_not_disturb_until": "2026-03-29T18:30:00"}, "/do_not_disturb_until", "invalid_time"),
    ],
)
def test_a_mistake_is_named_at_its_place(value: object, pointer: str, code: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_preferences(value)
    assert (pointer, code) in [(each.pointer, each.code) for each in refused.value.errors]


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({}, READ),
        ({"channels": {"sms": None, "push": True}}, {"channels": {"push": True}}),
        ({"quiet_hours": None}, {"quiet_hours": ()}),
        ({"do_not_disturb_until": None}, {"do_not_disturb_until_ms": None}),
        (
            {"categories": {"promotions": False}},
            {"categories": {"promotions": Choice(False, {"push": False, "email": True})}},
        ),
        (
            {"categories": {"promotions": {"push": True}}},
            {"categories": {"promotions": Choice(None, {"push": True, "email": True})}},
        ),
        ({"categories": {"promotions": None}}, {"categories": {}}),
        ({"workflows": {"news": True}}, {"workflows": {**READ.workflows, "news": Choice(True)}}),
    ],
)
def test_a_patch_changes_what_it_names(patch: object, changed: object) -> None:
    if isinstance(changed, dict):
        document = show_preferences(READ)
        after = merge_preferences(READ, patch)
        for name in ("channels", "categories", "workflows", "quiet_hours"):
            assert getattr(after, name) == changed.get(name, getattr(READ, name)), document
    else:
        assert merge_preferences(READ, patch) == changed


def test_a_patch_of_nothing_is_a_document() -> None:
    assert merge_preferences(None, DOCUMENT) == READ


def test_a_category_has_defaults_and_may_hold_mail() -> None:
    document = {"name": "Offers", "channels": {"sms": False}, "hold_email_in_quiet_hours": True}
    category = read_category("offers", document)
    assert category == Category("offers", "Offers", {"sms": False}, hold_email_in_quiet_hours=True)
    assert read_category("offers", show_category(category)) == category


def test_a_tenant_has_defaults_and_no_branding_yet() -> None:
    document = {"channels": {"sms": False}, "categories": {"offers": {"email": False}}}
    tenant = read_tenant("acme", document)
    assert tenant == Tenant("acme", "", {"sms": False}, {"offers": Choice(None, {"email": False})})
    assert read_tenant("acme", show_tenant(tenant)) == tenant
    with pytest.raises(NotBuilt, match="branding"):
        read_tenant("acme", {"branding": {"logo": "x"}})


@pytest.mark.parametrize("read", [read_category, read_tenant])
def test_the_body_may_not_contradict_the_address(read: object) -> None:
    assert callable(read)
    with pytest.raises(RequestRefused) as refused:
        read("offers", {"key": "other", "nmae": "x"})
    found = {(each.pointer, each.code) for each in refused.value.errors}
    assert found == {("/key", "contradiction"), ("/nmae", "unknown_field")}
