"""What is reported later: in any order, any number of times, about anything."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import cast

import pytest

from tests.delivering.reporting import (
    WAITING,
    pages,
    preferences,
    report,
    said,
    settled,
    states,
    told,
)
from tests.delivering.site import BEGIN_MS, Played, Site, Vendor, delivery_of, process
from tocsin.app.optouts import OptOuts
from tocsin.channels.sms.twilio.simulator import TwilioSimulator
from tocsin.domain.category import Category
from tocsin.domain.ids import show_delivery
from tocsin.domain.records import Attempt, Reported, Settled, encode
from tocsin.ports.receipts import Callback, Response
from tocsin.ports.simulator import Action, Deed, Dial

ORDERS = list(permutations([("delivered", 30), ("opened", 90), ("opened", 50), ("failed", 70)]))


@pytest.mark.parametrize("some", [ORDERS[:12], ORDERS[12:]], ids=["first half", "second half"])
async def test_whatever_order_they_come_in_they_come_to_the_same(
    site: Site, some: Sequence[Sequence[tuple[str, int]]]
) -> None:
    ends = set()
    for n, order in enumerate(some):
        one = await site.person(f"ana-{n}", f"pager-{n}")
        event = await site.send(one.id, n)
        await site.until_settled(event, one, "sent")
        reference = show_delivery(delivery_of(event, one))
        for state, at in (*order, *order):
            await report(site, {"ref": reference, "state": state, "at": at})
        await told(site)

        async def failed(delivery: bytes = delivery_of(event, one)) -> bool:
            return await settled(site, delivery) == "failed"

        await site.until(failed)
        delivery = delivery_of(event, one)
        receipts = (await site.services.delivery.histories.of([delivery]))[delivery].receipts
        after_ms = receipts["pager", "opened", "pager_opened"] - site.clock.now_ms()
        ends.add((round(after_ms / 1_000), frozenset(state for _, state, _ in receipts)))
    assert ends == {(50, frozenset({"delivered", "opened", "failed"}))}


async def test_many_in_one_callback_are_each_told(site: Site) -> None:
    people = [await site.person(f"p{n}", f"pager-{n}") for n in range(60)]
    events = [await site.send(one.id, 1) for one in people]
    for event, one in zip(events, people, strict=True):
        await site.until_settled(event, one, "sent")
    deliveries = [delivery_of(event, one) for event, one in zip(events, people, strict=True)]
    await report(site, *({"ref": show_delivery(d), "state": "delivered"} for d in deliveries * 2))

    async def all_are() -> bool:
        found = await site.services.storage.ledger.settled(deliveries)
        return [found[each].state for each in deliveries if each in found] == ["delivered"] * 60

    await site.until(all_are)
    for event, one in zip(events, people, strict=True):
        assert await states(site, event, one) == ["sent", "delivered"]


async def test_who_has_opened_it_has_it(site: Site) -> None:
    one = await site.person("ana", "ana-pager")
    event = await site.send("ana", 1)
    await site.until_settled(event, one, "sent")
    reference = show_delivery(delivery_of(event, one))
    await report(site, {"ref": reference, "state": "opened"})
    await site.until_settled(event, one, "opened")
    assert await states(site, event, one) == ["sent", "delivered", "opened"]


async def test_what_was_kept_aside_is_told_by_whoever_starts_next(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    """As if the process had died between the outcome and letting the receipt go."""
    async with process(tmp_path, layout, vendor) as site:
        await site.publish()
        site.start()
        one = await site.person("ana", "ana-pager")
        event = await site.send("ana", 1)
        await site.until_settled(event, one, "sent")
        await site.stop()
        kept = Reported(delivery_of(event, one), "pager", "delivered", "x", BEGIN_MS)
        await site.services.stores.orphans.keep(
            {show_delivery(kept.delivery): [encode(kept)]}, BEGIN_MS
        )
    async with process(tmp_path, layout, vendor) as site:
        site.start()
        await site.until_settled(event, one, "delivered")

        async def let_go() -> bool:
            return not site.services.stores.orphans.references()

        await site.until(let_go)


async def test_a_receipt_that_was_answered_before_a_death_is_told(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    async with process(tmp_path, layout, vendor) as site:
        await site.publish()
        site.start()
        one = await site.person("ana", "ana-pager")
        event = await site.send("ana", 1)
        await site.until_settled(event, one, "sent")
        await site.stop()
        await report(site, {"ref": show_delivery(delivery_of(event, one)), "state": "delivered"})
    async with process(tmp_path, layout, vendor) as site:
        site.start()
        await site.until_settled(event, one, "delivered")
        assert await states(site, event, one) == ["sent", "delivered"]


async def test_one_that_came_in_time_counts_though_the_time_is_over(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    """The timer looks at all that was answered before, however far behind its reader is."""
    async with process(tmp_path, layout, vendor) as site:
        await site.publish(WAITING)
        site.start()
        one = await site.person("ana", "ana-pager")
        event = await site.send("ana", 1)
        await site.until_settled(event, one, "sent")
        await report(site, {"ref": show_delivery(delivery_of(event, one)), "state": "delivered"})
        await site.pass_time(3_600_000)

        async def decided() -> bool:
            return "the step again" not in (text := await said(site, event, "ana")) and (
                "not get it by chat because" in text
            )

        await site.until(decided)
        assert len(await pages(site, 1)) == 1


async def test_nobody_is_paged_again_whose_lost_answer_a_receipt_has_made_good(
    site: Site,
) -> None:
    one = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.TAKE_AND_DROP])
    event = await site.send("ana", 1)
    await site.until_settled(event, one, "deferred")
    await report(site, {"ref": show_delivery(delivery_of(event, one)), "state": "delivered"})
    await site.pass_time(60_000)
    await site.until_settled(event, one, "delivered")
    assert sum(isinstance(e, Attempt) for e in await site.history(event, one)) == 1


async def test_who_complains_is_not_written_to_there_any_more(site: Site) -> None:
    one = await site.person("ana", "ana-pager", "other-pager")
    event = await site.send("ana", 1)
    await site.until_settled(event, one, "sent")
    complaint = {"ref": show_delivery(delivery_of(event, one)), "state": "complained"}
    for _ in range(2):
        await report(site, complaint)
    (entry,) = await site.services.stores.suppressions.page(None, 10)
    assert (entry.reason, entry.source, entry.channel) == ("complaint", "provider:pager", "chat")
    later = await site.send("ana", 2)

    async def kept_back() -> bool:
        return await settled(site, delivery_of(later, one)) == "suppressed"

    await site.until(kept_back)
    text = await said(site, later, "ana")
    assert "on the suppression list [suppressions.address.chat: complaint]" in text
    assert sorted(await pages(site, 3)) == ["Alarm 1", "Alarm 1", "Alarm 2"]
    trail = [each async for each in site.services.stores.trail.entries(0)]
    notes = [(each.by, each.action, each.detail) for each in trail]
    assert notes == [("provider:pager", "suppression.add", "complaint")]


async def test_who_unsubscribes_there_has_switched_the_category_off(site: Site) -> None:
    await site.services.stores.workflows.put_category(Category("news"), BEGIN_MS)
    await site.publish({**WAITING, "key": "news", "on": ["news"], "category": "news"})
    one = await site.person("ana", "ana-pager")
    event = await site.send("ana", 1, type="news")
    await site.until_settled(event, one, "sent")
    word = {"ref": show_delivery(delivery_of(event, one)), "state": "unsubscribed"}
    await report(site, word, word)
    chosen = await preferences(site, "ana")
    assert chosen.categories["news"].channels == {"chat": False}
    assert not chosen.channels
    (before,) = (await site.services.stores.recipients.by_id(["ana"])).values()
    await report(site, word)
    (after,) = (await site.services.stores.recipients.by_id(["ana"])).values()
    assert before.version == after.version


async def test_of_an_event_that_is_gone_the_whole_channel_is_switched_off(site: Site) -> None:
    one = await site.person("ana", "ana-pager")
    gone = show_delivery(delivery_of((BEGIN_MS - 1).to_bytes(6, "big") + bytes(10), one))
    await report(site, {"ref": gone, "state": "unsubscribed"})
    assert (await preferences(site, "ana")).channels == {"chat": False}


async def test_stop_holds_for_the_address_until_start(site: Site) -> None:
    one = await site.person("ana", "ana-pager")
    answer = await report(site, {"sender": "ana-pager", "state": "STOP"})
    assert (answer.status, answer.body) == (200, b"heard")
    event = await site.send("ana", 1)

    async def kept_back() -> bool:
        return await settled(site, delivery_of(event, one)) == "suppressed"

    await site.until(kept_back)
    assert "[suppressions.address.chat: stop]" in await said(site, event, "ana")
    await report(site, {"sender": "ana-pager", "state": "START", "at": 10})
    after = await site.send("ana", 2)
    await site.until_settled(after, one, "sent")
    trail = [each async for each in site.services.stores.trail.entries(0)]
    assert [each.action for each in trail] == ["suppression.add", "suppression.remove"]


async def test_an_older_start_lifts_no_newer_stop_and_nobody_elses_entry(site: Site) -> None:
    one = await site.person("ana", "ana-pager")
    event = await site.send("ana", 1)
    await site.until_settled(event, one, "sent")
    await report(site, {"ref": show_delivery(delivery_of(event, one)), "state": "complained"})
    await report(site, {"sender": "ana-pager", "state": "STOP", "at": 20})
    await report(site, {"sender": "ana-pager", "state": "START", "at": 10})
    entries = await site.services.stores.suppressions.page(None, 10)
    assert sorted(each.reason for each in entries) == ["complaint", "stop"]
    await report(site, {"sender": "ana-pager", "state": "START", "at": 30})
    (left,) = await site.services.stores.suppressions.page(None, 10)
    assert left.reason == "complaint"


async def test_a_stop_that_is_told_after_a_later_start_blocks_nobody(site: Site) -> None:
    await report(site, {"sender": "ana-pager", "state": "START", "at": 30})
    await report(site, {"sender": "ana-pager", "state": "STOP", "at": 20})
    assert not await site.services.stores.suppressions.page(None, 10)
    await report(site, {"sender": "ana-pager", "state": "STOP", "at": 40})
    assert await site.services.stores.suppressions.page(None, 10)


async def test_a_stop_that_is_told_again_after_start_blocks_nobody(site: Site) -> None:
    first = {"sender": "ana-pager", "state": "STOP", "at": 10, "id": "m1"}
    await report(site, first)
    await report(site, {"sender": "ana-pager", "state": "START", "at": 20, "id": "m2"})
    # Where the vendor does not say when, it is dated by when it came.
    await report(site, {**first, "at": 30})
    assert not await site.services.stores.suppressions.page(None, 10)
    await report(site, {**first, "at": 40, "id": "m3"})
    assert await site.services.stores.suppressions.page(None, 10)


async def test_who_told_the_vendor_alone_to_stop_is_not_written_to_again(
    tmp_path: Path, layout: str
) -> None:
    played = TwilioSimulator()
    async with (
        Vendor(cast(Played, played)).serving() as vendor,
        process(tmp_path, layout, vendor) as site,
    ):
        await site.publish({"key": "alarm", "steps": [{"channel": "sms", "body": "Alarm"}]})
        site.start()
        one = await site.person("ana", "+12025550101", channel="sms", provider="twilio")
        await site.until_settled(await site.send("ana", 1), one, "sent")

        async def lost(callback: Callback) -> Response:
            return Response(503)

        await played.act(Deed(played.messages()[0].id, Action.REPLY, BEGIN_MS, "STOP"), lost)
        (*_, failed) = await site.until_settled(await site.send("ana", 2), one, "failed")
        assert isinstance(failed, Settled)
        assert failed.reason == "blocked"
        (entry,) = await site.services.stores.suppressions.page(None, 10)
        assert (entry.reason, entry.source) == ("stop", "provider:twilio")
        event = await site.send("ana", 3)

        async def kept_back() -> bool:
            return await settled(site, delivery_of(event, one)) == "suppressed"

        await site.until(kept_back)
        assert len(played.calls) == 2


async def test_a_word_from_nobody_we_could_write_to_changes_nothing(site: Site) -> None:
    await report(site, {"sender": "no pager has spaces", "state": "STOP"})
    assert not await site.services.stores.suppressions.page(None, 10)


async def test_a_hard_bounce_takes_the_address_out_of_the_registry(site: Site) -> None:
    one = await site.person("ana", "ana-pager")
    event = await site.send("ana", 1)
    await site.until_settled(event, one, "sent")
    bounce = {"ref": show_delivery(delivery_of(event, one)), "state": "failed", "gone": True}
    await report(site, bounce)
    await told(site)
    (now,) = (await site.services.stores.recipients.by_id(["ana"])).values()
    assert now.addresses[0].dead_ms is not None


async def test_what_was_stopped_stays_so_after_a_backup_was_restored(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    async with process(tmp_path, layout, vendor) as site:
        await report(site, {"sender": "a-pager", "state": "STOP"})
        await report(site, {"sender": "b-pager", "state": "STOP"})
        await report(site, {"sender": "b-pager", "state": "START", "at": 9})
        stores = site.services.stores
        (entry,) = await stores.suppressions.page(None, 10)
        await stores.suppressions.remove(entry.id)
        await OptOuts(stores.journal, stores.sealer).restore(stores.recipients, stores.suppressions)
        assert [each.id for each in await stores.suppressions.page(None, 10)] == [entry.id]


async def test_what_was_begun_again_stays_so_after_a_backup_was_restored(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    first = {"sender": "ana-pager", "state": "STOP", "at": 10, "id": "m1"}
    folder, backup = tmp_path / "d", tmp_path / "backup"
    folder.mkdir()
    async with process(folder, layout, vendor) as site:
        await report(site, first)
        await report(site, {"sender": "bob-pager", "state": "STOP", "at": 10})
    shutil.copytree(folder, backup)
    async with process(folder, layout, vendor) as site:
        await report(site, {"sender": "ana-pager", "state": "START", "at": 20})
        await report(site, {"sender": "bob-pager", "state": "START", "at": 20})
        await report(site, {"sender": "bob-pager", "state": "STOP", "at": 30})
        await report(site, {"sender": "eve-pager", "state": "START", "at": 20})
    shutil.copy(folder / "optouts.journal", backup / "optouts.journal")
    async with process(backup, layout, vendor) as site:
        stores = site.services.stores
        optouts = OptOuts(stores.journal, stores.sealer)
        assert await optouts.restore(stores.recipients, stores.suppressions)
        (bobs,) = await stores.suppressions.page(None, 10)
        # Said before START, by a vendor who has not heard that we know: of somebody else, too.
        await report(site, first)
        await report(site, {**first, "sender": "eve-pager"})
        assert await stores.suppressions.page(None, 10) == [bobs]
        await report(site, {**first, "at": 40, "id": "m2"})
        assert len(await stores.suppressions.page(None, 10)) == 2
        assert not await optouts.restore(stores.recipients, stores.suppressions)
