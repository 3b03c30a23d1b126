"""Explanations over real files: every way in which something can happen, or not happen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import msgspec
import pytest

from tests.app.town import BEGIN_MS, LAYOUTS, Town, opened
from tocsin.app.history.explain import Explanation
from tocsin.domain.audience import Subscription
from tocsin.domain.case import ChannelFacts
from tocsin.domain.conditions import Comparison
from tocsin.domain.ids import show_event
from tocsin.domain.instants import show_instant
from tocsin.domain.preferences import Choice, Preferences
from tocsin.domain.recipient import Recipient
from tocsin.ports.state import Suppression

CHANNELS = {
    "inbox": ChannelFacts(configured=True, interrupts=False, needs_address=False),
    "push": ChannelFacts(configured=True, interrupts=True, needs_address=False),
}
WORKFLOW = {
    "key": "order.shipped",
    "on": ["order.shipped"],
    "category": "orders",
    "audience": {"path": "data.to"},
    "steps": [{"channel": "inbox", "title": "Shipped", "body": "It is on its way"}],
}


@pytest.fixture(params=LAYOUTS)
async def town(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Town]:
    """A town with a channel that interrupts."""
    async with opened(tmp_path, cast(str, request.param), CHANNELS) as found:
        yield found


def event(**more: object) -> dict[str, object]:
    return {"type": "order.shipped", "id": "o-1", "source": "shop", **more}


async def happened(town: Town, **more: object) -> bytes:
    (key,) = await town.send(event(**more))
    town.start()
    await town.routed()
    return key


async def explain(town: Town, key: bytes, recipient: str = "ana") -> Explanation:
    return await town.services.history.explainer(key, recipient)


async def known(town: Town, *recipients: Recipient) -> list[Recipient]:
    stored = await town.services.stores.recipients.put(recipients)
    await town.services.stores.recipients.durable()
    return list(stored)


async def test_who_got_it_and_by_which_path(town: Town) -> None:
    await town.publish(WORKFLOW)
    key = await happened(town, data={"to": "ana"})

    told = await explain(town, key)

    assert told.outcome == "sent"
    assert told.sentence == (
        f"ana got it by inbox at {show_instant(BEGIN_MS)} (not seen yet): order.shipped (version 1),"
        " in the audience by path data.to = 'ana'."
    )
    (run,) = told.runs
    (delivery,) = run.deliveries
    assert [gate.gate for gate in delivery.gates][-1] == "send"
    assert not delivery.recomputed_differs
    assert not run.audience_differs


async def test_who_was_never_in_the_audience(town: Town) -> None:
    await known(town, Recipient(0, "bob"))
    await town.publish(WORKFLOW)
    key = await happened(town, data={"to": "ana"})

    told = await explain(town, key, "bob")

    assert told.outcome == "not_in_audience"
    assert told.sentence == (
        "bob was not in the audience of order.shipped (version 1): the audience was path"
        " data.to = 'ana'."
    )


async def test_what_is_not_known_is_said_so(town: Town) -> None:
    await town.publish(WORKFLOW)
    key = await happened(town, data={"to": "ana"})

    nobody = await explain(town, key, "nobody")
    nothing = await explain(town, bytes(16))
    no_source = await town.services.history.explainer.by_source("shop", "o-9", "ana")

    assert nobody.outcome == "unknown_recipient"
    assert (
        nobody.sentence == "There is no recipient 'nobody' here, and the event did not name them."
    )
    assert nothing.outcome == no_source.outcome == "unknown_event"


async def test_by_source_and_id(town: Town) -> None:
    await town.publish(WORKFLOW)
    key = await happened(town, data={"to": "ana"})

    told = await town.services.history.explainer.by_source("shop", "o-1", "ana")

    assert (told.event, told.outcome) == (key, "sent")


async def test_what_nobody_asked_for_and_what_waits(town: Town) -> None:
    (asked,) = await town.send({"type": "nobody.asked", "source": "shop", "id": "x"})
    waiting = await explain(town, asked)
    found = await town.services.history.explainer.by_source("shop", "x", "ana")
    town.start()
    await town.routed()
    routed = await explain(town, asked)

    assert waiting.outcome == found.outcome == "waiting"
    assert "not routed yet" in waiting.sentence
    assert routed.outcome == "no_workflow"
    assert routed.sentence == "Nobody got it: no workflow took events of the type 'nobody.asked'."


async def test_a_run_that_is_not_routed_yet(town: Town) -> None:
    await town.publish(WORKFLOW)
    (key,) = await town.send(event(data={"to": "ana"}))

    told = await explain(town, key)

    assert told.outcome == "waiting"
    assert "order.shipped (version 1) has not reached ana" in told.sentence


async def test_a_duplicate_tells_the_story_of_the_first(town: Town) -> None:
    await town.publish(WORKFLOW)
    (first,) = await town.send(event(data={"to": "ana"}))
    second = await happened(town, data={"to": "ana"})

    told = await explain(town, second)

    assert told.alias_of == first
    assert told.outcome == "sent"
    assert told.sentence.startswith(f"{show_event(second)} repeats the source and id of")


async def test_a_switch_that_the_recipient_turned_off(town: Town) -> None:
    off = Preferences(categories={"orders": Choice(on=False)})
    await known(town, Recipient(0, "ana", preferences=off))
    await town.publish(WORKFLOW)
    key = await happened(town, data={"to": "ana"})
    # Turned on again: what was decided stays, and so does the explanation.
    before = (await town.services.stores.recipients.by_id(["ana"]))["ana"]
    await known(town, msgspec.structs.replace(before, version=2, preferences=None))

    told = await explain(town, key)

    assert told.outcome == "suppressed"
    assert "did not get it by inbox because the recipient has switched it off" in told.sentence
    assert "[recipient.preferences.categories.orders]" in told.sentence
    assert told.runs[0].profile_version == 1
    assert not told.runs[0].deliveries[0].recomputed_differs


async def test_an_entry_that_left_the_suppression_list_is_admitted(town: Town) -> None:
    (ana,) = await known(town, Recipient(0, "ana"))
    entry = Suppression("s1", ana.number, None, None, "asked", "test", BEGIN_MS)
    suppressions = town.services.stores.suppressions
    await suppressions.add([entry])
    await town.publish(WORKFLOW)
    key = await happened(town, data={"to": "ana"})
    then = await explain(town, key)
    await suppressions.remove("s1")

    now = await explain(town, key)

    assert then.outcome == now.outcome == "suppressed"
    assert not then.runs[0].deliveries[0].recomputed_differs
    assert now.runs[0].deliveries[0].recomputed_differs
    assert "gives another answer" in now.sentence


async def test_membership_is_that_of_the_time(town: Town) -> None:
    ana, bob = await known(town, Recipient(0, "ana"), Recipient(0, "bob"))
    audiences = town.services.stores.audiences
    await audiences.put_group("ops", None, BEGIN_MS - 10)
    await audiences.change_members("ops", add=[ana.number], remove=[], now_ms=BEGIN_MS - 10)
    await town.publish({**WORKFLOW, "audience": {"group": "ops"}})
    key = await happened(town, data={})
    await audiences.change_members(
        "ops", add=[bob.number], remove=[ana.number], now_ms=BEGIN_MS + 10
    )

    inside, outside = await explain(town, key), await explain(town, key, "bob")

    assert inside.outcome == "sent"
    assert not inside.runs[0].audience_differs
    assert outside.outcome == "not_in_audience"
    assert "group ops: was no member then" in outside.sentence


async def test_a_subscription_whose_condition_did_not_hold(town: Town) -> None:
    ana, bob = await known(town, Recipient(0, "ana"), Recipient(0, "bob"))
    audiences = town.services.stores.audiences
    cheap = Comparison("data.price", "<=", 80)
    for one, when in ((ana, cheap), (bob, None)):
        wish = Subscription(one.number, "products", "42", when)
        await audiences.subscribe(wish, BEGIN_MS - 10)
    rule = {"object": {"collection": "products", "id": {"path": "data.product"}}}
    await town.publish({**WORKFLOW, "audience": rule})
    key = await happened(town, data={"product": "42", "price": 90})

    out, inside = await explain(town, key), await explain(town, key, "bob")

    assert out.outcome == "not_in_audience"
    assert "object products/42: the condition did not hold" in out.sentence
    assert inside.outcome == "sent"


async def test_who_was_excluded(town: Town) -> None:
    await town.publish(WORKFLOW)
    await known(town, Recipient(0, "ana"))
    key = await happened(town, recipients=["ana", "bob"], exclude=["ana"])

    told = await explain(town, key)

    assert told.outcome == "not_in_audience"
    assert "the call excluded them" in told.sentence
    assert not told.runs[0].audience_differs


async def test_what_is_held_says_until_when(town: Town) -> None:
    until_ms = BEGIN_MS + 3_600_000
    await known(
        town, Recipient(0, "ana", preferences=Preferences(do_not_disturb_until_ms=until_ms))
    )
    steps = [*cast(list[object], WORKFLOW["steps"]), {"channel": "push", "title": "t", "body": "b"}]
    await town.publish({**WORKFLOW, "steps": steps})
    key = await happened(town, data={"to": "ana"})

    told = await explain(town, key)
    town.clock.advance(BEGIN_MS + 120_000)
    audit = await town.services.history.auditor(BEGIN_MS)

    assert f"will get it by push after {show_instant(until_ms)}" in told.sentence
    assert told.runs[0].deliveries[1].waits_until_ms == until_ms
    assert audit.balanced
    assert audit.deliveries["transactional"]["push"].pending == 1


async def test_everyone_is_explained_one_by_one(town: Town) -> None:
    off = Preferences(categories={"orders": Choice(on=False)})
    await known(town, Recipient(0, "ana"), Recipient(0, "bob", preferences=off))
    await town.publish({**WORKFLOW, "audience": {"everyone": True}})
    (key,) = await town.send(event(data={}))
    town.start()
    await town.decided(key)

    ana, bob = await explain(town, key), await explain(town, key, "bob")
    town.clock.advance(BEGIN_MS + 120_000)
    audit = await town.services.history.auditor(BEGIN_MS)

    assert ana.outcome == "sent"
    assert "in the audience by everyone" in ana.sentence
    assert bob.outcome == "suppressed"
    assert not bob.runs[0].deliveries[0].recomputed_differs
    line = audit.deliveries["transactional"]["inbox"]
    assert (line.planned, line.sent, line.suppressed) == (2, 1, 1)
    assert audit.balanced

    town.damage("views", "DELETE FROM settled_chunk")
    broken = await town.services.history.auditor(BEGIN_MS)
    assert broken.violations == 2
    assert broken.missing[0].kind == "fanout"


async def test_a_fanout_that_is_paused_or_has_not_come_there(town: Town) -> None:
    await known(town, Recipient(0, "ana"))
    await town.publish({**WORKFLOW, "audience": {"everyone": True}})
    (key,) = await town.send(event(data={}))
    town.start(fanouts=False)
    await town.routed()
    waiting = await explain(town, key)
    (row,) = await town.services.stores.fanouts.of_event(key)
    await town.services.stores.fanouts.set_state(row.key, "paused", "lunch", BEGIN_MS)

    paused = await explain(town, key)

    assert waiting.outcome == "waiting"
    assert "its fan-out has decided 0 of 1" in waiting.sentence
    assert paused.outcome == "paused"
    assert "its fan-out is paused (lunch)" in paused.sentence


async def test_who_opted_out_of_a_fanout_is_told_by_which_rule(town: Town) -> None:
    await known(
        town,
        Recipient(0, "ana", preferences=Preferences(categories={"orders": Choice(on=False)})),
        Recipient(0, "bo"),
    )
    await town.publish({**WORKFLOW, "audience": {"everyone": True}})
    (key,) = await town.send(event(data={}))
    town.start()
    await town.decided(key)

    told = await explain(town, key)

    (delivery,) = told.runs[0].deliveries
    assert (delivery.reason, delivery.recomputed_differs) == ("opted_out", False)
    assert delivery.decision.rule == "recipient.preferences.categories.orders"
    assert "[recipient.preferences.categories.orders]" in told.sentence
    assert (await explain(town, key, "bo")).runs[0].deliveries[0].decision.rule == ""


async def test_whom_nobody_knew_under_strict_recipients_is_told_so(town: Town) -> None:
    await town.publish(WORKFLOW)
    key = await happened(town, recipients=["ana"], strict_recipients=True)
    told = await explain(town, key)
    assert [each.reason for run in told.runs for each in run.deliveries] == ["unknown_recipient"]
    assert "not known" in told.sentence or "no such" in told.sentence, told.sentence


async def test_who_came_after_a_message_to_everyone_was_not_in_its_audience(town: Town) -> None:
    await known(town, Recipient(0, "ana"))
    await town.publish({**WORKFLOW, "audience": {"everyone": True}})
    (key,) = await town.send(event(data={}))
    town.start()
    await town.decided(key)
    await known(town, Recipient(0, "late", changed_ms=BEGIN_MS + 1))

    told = await explain(town, key, "late")
    assert told.outcome == "not_in_audience"
    assert not told.runs[0].audience_differs
    assert "did not exist then" in told.sentence
