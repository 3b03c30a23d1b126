"""Sets and single decisions come to one answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from tests.unit.domain.people import (
    CHANNEL_FACTS,
    EXPIRIES,
    NOW_MS,
    build_workflow,
    facts,
    population,
    workflows,
)
from tocsin.domain.case import Case, Facts
from tocsin.domain.decide import decide
from tocsin.domain.fanout import (
    SUPPRESSED_ADDRESS,
    decide_block,
    keys_needed,
    set_keys,
    suppression_key,
)
from tocsin.domain.preferences import Choice, Consent, Preferences, QuietHours
from tocsin.domain.reasons import Reason
from tocsin.domain.recipient import Address, Recipient
from tocsin.domain.workflow import Workflow


def sets_of(people: list[Recipient], drawn: Facts) -> dict[str, BitMap]:
    """Keep the sets as a store does."""
    sets: dict[str, BitMap] = {}
    for person in people:
        for key in set_keys(person):
            sets.setdefault(key, BitMap()).add(person.number)
        digests = {digest for digest, _ in drawn.suppressed_digests}
        if any(address.digest in digests for address in person.addresses):
            sets.setdefault(SUPPRESSED_ADDRESS, BitMap()).add(person.number)
    for number, channel in drawn.suppressed:
        sets.setdefault(suppression_key(channel or None), BitMap()).add(number)
    return sets


# To draw a population costs a hundred times what it costs to decide about it.
@pytest.mark.timeout(300)
@settings(max_examples=300)
@given(population(6), workflows(), facts(), EXPIRIES, st.sets(st.integers(1, 8), max_size=2))
def test_a_block_and_its_people_come_to_one_answer(
    people: list[Recipient],
    workflow: Workflow,
    drawn: Facts,
    expires_ms: int | None,
    cancelled: set[int],
) -> None:
    members = BitMap(person.number for person in people)
    sets = sets_of(people, drawn)
    for step in workflow.steps:
        needed = set(keys_needed(workflow, step.index))
        by_reason, personal = decide_block(
            workflow,
            step.index,
            members,
            {key: found for key, found in sets.items() if key in needed},
            drawn,
            expires_ms=expires_ms,
            cancelled=BitMap(cancelled),
        )
        parts = [*by_reason.values(), personal]
        assert sum(map(len, parts)) == len(members)
        assert BitMap.union(*parts, BitMap()) == members
        for person in people:
            if person.number in personal:
                continue
            case = Case(
                workflow=workflow,
                recipient=person,
                facts=drawn,
                expires_ms=expires_ms,
                cancelled=person.number in cancelled,
            )
            (decision,) = (each for each in decide(case) if each.step == step.index)
            assert person.number in by_reason[decision.reason]


def test_a_document_names_its_sets() -> None:
    recipient = Recipient(
        1,
        "ana",
        addresses=(
            Address(1, "push", b"", b""),
            Address(2, "email", b"", b""),
            Address(3, "email", b"", b""),
            Address(4, "sms", b"", b"", dead_ms=1),
        ),
        preferences=Preferences(
            channels={"sms": False},
            categories={"orders": Choice(True, {"push": False})},
            workflows={"order.shipped": Choice(False)},
            quiet_hours=(QuietHours((), 0, 60),),
        ),
        consents=(
            Consent("email", None, True, "form", None, 1),
            Consent("email", None, False, "form", None, 2),
            Consent("sms", "orders", True, "form", None, 1),
        ),
        erased=True,
    )
    assert set_keys(recipient) == {
        "erased",
        "timed",
        "off/channel/sms",
        "on/category/orders",
        "off/category/orders/push",
        "off/workflow/order.shipped",
        "off/consent/email",
        "on/consent/sms/orders",
        "one/push",
        "other/email",
        "other/sms",
    }
    assert set_keys(Recipient(2, "bo")) == frozenset()


def test_most_people_need_no_look_of_their_own() -> None:
    members = BitMap(range(65_536))
    sets = {"timed": BitMap(range(1_000)), "off/channel/push": BitMap(range(500, 2_000))}
    sets["one/push"] = BitMap(range(60_000))
    drawn = Facts(now_ms=NOW_MS, channels=CHANNEL_FACTS)
    workflow = build_workflow()
    inbox = decide_block(workflow, 0, members, sets, drawn)
    assert inbox.by_reason == {Reason.SEND: members}
    push = decide_block(workflow, 1, members, sets, drawn)
    assert {reason: len(found) for reason, found in push.by_reason.items()} == {
        Reason.OPTED_OUT: 1_500,
        Reason.NO_ADDRESS: 5_536,
        Reason.SEND: 58_000,
    }
    assert push.personal == BitMap(range(500))


def test_the_members_handed_in_stay_as_they_are() -> None:
    members = BitMap([1, 2, 3])
    drawn = Facts(now_ms=NOW_MS, channels=CHANNEL_FACTS)
    decide_block(build_workflow(), 0, members, {"erased": BitMap([2])}, drawn)
    assert members == BitMap([1, 2, 3])
