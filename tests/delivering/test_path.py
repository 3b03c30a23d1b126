"""From an event to a provider and back, in both layouts."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from tests.delivering.operating import client, driving
from tests.delivering.site import Site, delivery_of
from tocsin.api.shared import shown_time
from tocsin.app.delivering.providers import Fleet
from tocsin.app.delivering.unserved import unserved
from tocsin.domain.ids import EventKey, notification_key
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Attempt, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.errors import NotFound
from tocsin.ports.log import Output
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.simulator import Dial
from tocsin.ports.state import Claim, Suppression, Tombstone

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def told(records: list[Attempt | Settled]) -> list[tuple[str, str]]:
    return [(each.state, each.reason) for each in records if isinstance(each, Settled)]


async def test_an_event_becomes_a_page_with_the_callers_trace(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    event = await site.send("ana", 7, traceparent=TRACE)
    records = await site.until_settled(event, ana, "sent")
    (taken,) = site.simulator.taken
    assert (taken.address, taken.text, taken.trace) == ("ana-pager", "Alarm 7", TRACE)
    attempt, outcome = records
    assert isinstance(attempt, Attempt)
    assert isinstance(outcome, Settled)
    assert attempt.reference == taken.reference == "dlv_" + delivery_of(event, ana).hex()
    assert (attempt.number, attempt.provider) == (1, "pager")
    assert (outcome.attempt, outcome.provider_id, outcome.known) == (1, "page-1", True)


async def test_messages_to_one_address_keep_their_order(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    events = [await site.send("ana", n) for n in range(30)]
    await site.until_settled(events[-1], ana, "sent")
    assert [each.text for each in site.simulator.taken] == [f"Alarm {n}" for n in range(30)]


async def test_a_message_that_is_tried_again_keeps_its_followers_behind_it(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.THROTTLE])
    events = [await site.send("ana", n) for n in range(4)]
    await site.until_settled(events[3], ana, "deferred")
    assert told(await site.history(events[1], ana)) == [("deferred", "behind_another")]
    assert not site.simulator.taken
    await site.pass_time(60_000)
    await site.until_settled(events[3], ana, "sent")
    assert [each.text for each in site.simulator.taken] == [f"Alarm {n}" for n in range(4)]


async def test_a_refusal_ends_it_and_a_dead_address_leaves_the_registry(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.REFUSE, Dial.DEAD_ADDRESS])
    first, second = await site.send("ana", 1), await site.send("ana", 2)
    assert told(await site.until_settled(first, ana, "failed")) == [("failed", "blocked")]
    assert told(await site.until_settled(second, ana, "failed")) == [("failed", "dead_address")]
    (now,) = (await site.services.stores.recipients.by_id(["ana"])).values()
    assert now.addresses[0].dead_ms is not None
    third = await site.send("ana", 3)
    await _settles(site, delivery_of(third, ana), "suppressed", "address_dead")


async def test_what_waits_for_its_next_try_is_told_as_deferred_and_until_when(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.THROTTLE])
    event = await site.send("ana", 1)
    last = (await site.until_settled(event, ana, "deferred"))[-1]
    assert isinstance(last, Settled)
    assert last.until_ms is not None
    wanted = ("deferred", "throttled", shown_time(last.until_ms))
    (timer,) = await site.services.stores.timers.waiting([delivery_of(event, ana)])
    # Rows that fire together lie together.
    assert timer.key.startswith(last.until_ms.to_bytes(6, "big"))

    def standing(note: Any) -> tuple[str, str, str | None]:
        (delivery,) = (each for each in note["deliveries"] if each["channel"] == "chat")
        return delivery["state"], delivery["reason"], delivery["until"]

    async with client(driving(site), "viewer") as http:
        (listed,) = (await http.get("/v1/notifications?recipient=ana")).json()["items"]
        assert standing(listed) == wanted
        path = f"/v1/notifications/{listed['id']}"
        assert standing((await http.get(path)).json()) == wanted
        await site.pass_time(60_000)
        await site.until_settled(event, ana, "sent")
        assert standing((await http.get(path)).json()) == ("sent", "accepted", None)


async def test_what_is_tried_too_often_fails(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.FAIL] * 12)
    event = await site.send("ana", 1)
    found: list[Attempt | Settled] = []

    async def failed() -> bool:
        found[:] = await site.history(event, ana)
        return bool(found) and getattr(found[-1], "state", None) == "failed"

    await site.unhurried_until(failed)
    assert told(found)[-1] == ("failed", "overloaded")
    assert len(site.simulator.calls) == 12


async def test_who_opts_out_between_plan_and_call_is_not_called(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.THROTTLE])
    event = await site.send("ana", 1)
    await site.until_settled(event, ana, "deferred")
    entry = Suppression("s1", ana.number, None, None, "asked", "test", site.clock.now_ms())
    await site.services.stores.suppressions.add([entry])
    await site.pass_time(60_000)
    records = await site.until_settled(event, ana, "suppressed")
    assert told(records)[-1] == ("suppressed", "suppression_list")
    assert len(site.simulator.calls) == 1


async def test_a_cancel_before_the_call_prevents_it(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.THROTTLE])
    event = await site.send("ana", 1, cancellation_key="k")
    await site.until_settled(event, ana, "deferred")
    claims = site.services.stores.claims
    (row,) = await claims.by_cancellation_key("k")
    assert row.state == "pending"
    cancel = Claim(row.delivery, "cancel", "cancelled", row.epoch + 1, site.clock.now_ms(), "k")
    assert (await claims.swap(row, cancel)).holder == "cancel"
    await site.pass_time(60_000)
    assert told(await site.until_settled(event, ana, "cancelled"))[-1][0] == "cancelled"
    assert len(site.simulator.calls) == 1


async def test_a_row_in_the_midst_of_a_call_is_too_late_to_cancel(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.STALL])
    event = await site.send("ana", 1, cancellation_key="k")
    await site.until_called(1)
    (row,) = await site.services.stores.claims.by_cancellation_key("k")
    assert (row.holder, row.state) == ("worker", "sending")
    site.simulator.release()
    await site.until_settled(event, ana, "sent")


@pytest.mark.parametrize("then", [[], [Dial.THROTTLE]], ids=["at once", "after another try"])
async def test_what_may_have_arrived_is_never_called_cancelled(
    site: Site, then: list[Dial]
) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.TAKE_AND_DROP, *then])
    event = await site.send("ana", 1, cancellation_key="k")
    await site.until_settled(event, ana, "deferred")
    for calls in range(1, len(then) + 1):
        await site.pass_time(60_000)
        await site.until_called(calls + 1)
        await site.until(partial(_attempts_ended, site, event, ana, calls + 1))
    (row,) = await site.services.stores.claims.by_cancellation_key("k")
    assert (row.holder, row.state) == ("worker", "sending")
    await site.pass_time(60_000)
    await site.until_settled(event, ana, "sent")


async def test_what_may_have_arrived_when_a_cancel_comes_is_unknown_and_not_sent_again(
    site: Site,
) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.TAKE_AND_DROP])
    event = await site.send("ana", 1, cancellation_key="k")
    await site.until_settled(event, ana, "deferred")
    now_ms = site.clock.now_ms()
    tombstone = Tombstone("k", None, now_ms, now_ms + 86_400_000)
    await site.services.stores.claims.put_tombstone(tombstone)
    await site.pass_time(60_000)
    assert told(await site.until_settled(event, ana, "failed"))[-1] == ("failed", "outcome_unknown")
    assert len(site.simulator.calls) == 1


async def _attempts_ended(site: Site, event: bytes, one: Recipient, count: int) -> bool:
    records = await site.history(event, one)
    return sum(isinstance(each, Settled) and each.attempt > 0 for each in records) == count


async def test_an_answer_that_is_lost_is_tried_again_under_the_same_reference(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.TAKE_AND_DROP])
    event = await site.send("ana", 1)
    records = await site.until_settled(event, ana, "deferred")
    assert isinstance(records[-1], Settled)
    assert not records[-1].known
    await site.pass_time(60_000)
    await site.until_settled(event, ana, "sent")
    assert len({each.reference for each in site.simulator.taken}) == 1
    assert len(site.simulator.taken) == 2


async def test_a_receipt_after_the_outcome_refines_it_once(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    event = await site.send("ana", 1)
    await site.until_settled(event, ana, "sent")
    for _ in range(3):
        await _call_back(site, event, ana)
    records = await site.until_settled(event, ana, "delivered")
    assert [each[0] for each in told(records)] == ["sent", "delivered"]
    await _settles(site, delivery_of(event, ana), "delivered", "pager_delivered")
    await _counts(site, {("transactional", "chat", "delivered"): 1})


async def test_a_receipt_before_the_answer_waits_for_it(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.STALL])
    event = await site.send("ana", 1)
    await site.until_called(1)
    await _call_back(site, event, ana)
    await _call_back(site, event, ana)
    assert not told(await site.history(event, ana))
    site.simulator.release()
    records = await site.until_settled(event, ana, "delivered")
    assert told(records) == [("sent", "accepted"), ("delivered", "pager_delivered")]
    await _counts(site, {("transactional", "chat", "delivered"): 1})


async def test_a_receipt_before_the_attempt_waits_for_it(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    event = await site.send("ana", 1)
    await _call_back(site, event, ana)
    records = await site.until_settled(event, ana, "delivered")
    assert [each[0] for each in told(records)] == ["sent", "delivered"]
    await _counts(site, {("transactional", "chat", "delivered"): 1})


async def test_a_message_that_bounces_counts_as_failed_and_no_longer_as_sent(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    event = await site.send("ana", 1)
    await site.until_settled(event, ana, "sent")
    await _call_back(site, event, ana, ReceiptState.FAILED)
    await _counts(site, {("transactional", "chat", "failed"): 1})


async def test_a_receipt_proves_that_a_lost_answer_was_a_yes(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.TAKE_AND_DROP])
    event = await site.send("ana", 1)
    await site.until_settled(event, ana, "deferred")
    await _call_back(site, event, ana)
    await site.pass_time(60_000)
    after = await site.send("ana", 2)
    records = await site.until_settled(after, ana, "sent", "deferred")
    if told(records)[-1][0] == "deferred":
        await site.pass_time(60_000)
        await site.until_settled(after, ana, "sent")
    assert [each.text for each in site.simulator.taken] == ["Alarm 1", "Alarm 2"]
    await _settles(site, delivery_of(event, ana), "delivered", "pager_delivered")


async def _call_back(
    site: Site, event: bytes, person: Recipient, state: ReceiptState = ReceiptState.DELIVERED
) -> None:
    reference = "dlv_" + delivery_of(event, person).hex()
    now_ms = site.clock.now_ms()
    callback = site.simulator.callback([reference], state, now_ms)
    await site.services.delivery.callbacks.receive("pager", callback)


async def _settles(site: Site, delivery: bytes, state: str, reason: str) -> None:
    async def done() -> bool:
        found = (await site.services.storage.ledger.settled([delivery])).get(delivery)
        return found is not None and (found.state, found.reason) == (state, reason)

    await site.until(done)


async def _counts(site: Site, wanted: dict[tuple[str, str, str], int]) -> None:
    async def done() -> bool:
        counts = await site.services.storage.ledger.settled_counts(0, 2**47)
        found = {key: n for key, n in counts.items() if n}
        return found == wanted

    await site.until(done)


async def test_the_ledger_follows_a_fanout_to_the_address_that_it_took(site: Site) -> None:
    ana = await site.person("ana", "old-pager")
    ana = await site.readdress(ana, "ana-pager")
    event = await site.send("ana", 1, recipients=[{"everyone": True}])
    notification = notification_key(EventKey(event), 0, ana.number)
    ledger = site.services.history.ledger

    async def sent() -> bool:
        with suppress(NotFound):
            shown = (await ledger.notification(notification)).shown
            return [each.standing.state for each in shown.deliveries] == ["sent"]
        return False

    await site.until(sent)
    await site.pass_time(1)
    await site.readdress(ana, "new-pager")
    view = await ledger.notification(notification)
    (delivery,) = view.shown.deliveries
    assert delivery.planned.delivery == delivery_of(event, ana, address=2)
    assert delivery.planned.decision.address == 2
    assert [type(each) for each in view.trail[delivery.planned.delivery]] == [Attempt, Settled]


async def test_what_somebody_else_wrote_of_a_delivery_that_waits_is_seen(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.DROP])
    event = await site.send("ana", 1)
    await site.until_settled(event, ana, "deferred")
    log = site.services.storage.log
    now_ms, delivery = site.clock.now_ms(), delivery_of(event, ana)
    record = Settled(delivery, "transactional", "chat", "sent", "accepted", now_ms, receipt=True)
    await log.append([Output(OUTCOMES, log.partition_of(OUTCOMES, ana.number), [record])])
    await site.pass_time(60_000)
    after = await site.send("ana", 2)
    await site.live_until(partial(_is_sent, site, after, ana))
    assert [each.text for each in site.simulator.taken] == ["Alarm 2"]


async def _is_sent(site: Site, event: bytes, person: Recipient) -> bool:
    return any(state == "sent" for state, _ in told(await site.history(event, person)))


async def test_a_channel_that_has_lost_its_last_provider_is_named(site: Site) -> None:
    fleet, log = site.services.delivery.fleet, site.services.storage.log
    bare = Fleet(fleet.channels, {})
    assert unserved(bare, log) == []
    ana = await site.person("ana", "ana-pager")
    await site.until_settled(await site.send("ana", 1), ana, "sent")
    assert unserved(bare, log) == ["chat"]
    assert unserved(fleet, log) == []
