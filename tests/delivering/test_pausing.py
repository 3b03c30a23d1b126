"""What is paused waits, in both layouts: nothing is called, nothing is lost, and order holds."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.delivering.site import Site, Vendor, process
from tocsin.domain.pauses import Pause, Scope, queue_of
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Settled
from tocsin.ports.simulator import Dial

SHOWN = {
    "key": "shown",
    "on": ["alarm"],
    "steps": [{"channel": "inbox", "title": "Alarm", "body": "{{ data.n }}"}],
}
URGENT = {
    "key": "urgent",
    "lane": "critical",
    "steps": [{"channel": "chat", "title": "Urgent", "body": "{{ data.n }}"}],
}


async def pause(site: Site, **named: str) -> str:
    """Pause what *named* says, and return when the gate knows."""
    now_ms = site.clock.now_ms()
    made = Pause(
        id=f"pau_{'-'.join(named.values())}",
        scope=Scope(**named),
        reason="vendor is down",
        by="key:ops",
        at_ms=now_ms,
    )
    await site.services.stores.pauses.add(made)
    await until_known(site, made.id, known=True)
    return made.id


async def resume(site: Site, id: str) -> None:
    await site.services.stores.pauses.end(id, "key:ops", site.clock.now_ms())
    await until_known(site, id, known=False)


async def until_known(site: Site, id: str, *, known: bool) -> None:
    async def told() -> bool:
        return any(each.id == id for each in site.services.pauses.now.in_force) is known

    await site.until(told)


async def until_parked(site: Site, id: str, number: int) -> None:
    async def parked() -> bool:
        rows = site.services.stores.pauses
        counts = [await rows.count(queue_of(id, handed=each), number + 1) for each in (False, True)]
        return sum(counts) == number

    await site.until(parked)


async def until_taken(site: Site, number: int) -> list[str]:
    await site.until_taken(number)
    return [each.text for each in site.simulator.taken]


async def until_shown(site: Site, person: Recipient, number: int) -> list[str]:
    """Return the texts of an inbox, oldest first, once it holds so many."""
    found: list[str] = []

    async def shown() -> bool:
        inbox = site.services.storage.inbox
        items = await inbox.items(person.number, before=None, limit=number + 1)
        found[:] = [msgspec.json.decode(each.body)["body"] for each in reversed(items)]
        return len(found) == number

    await site.until(shown)
    return found


async def balanced(site: Site) -> None:
    """Every event and delivery is accounted for."""
    audit = await site.services.history.auditor(0)
    assert audit.balanced, audit.missing


async def test_a_paused_workflow_parks_what_it_would_send_and_keeps_its_order(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    id = await pause(site, workflow="alarm")
    events = [await site.send("ana", n) for n in range(20)]
    await until_parked(site, id, 20)
    await balanced(site)
    assert not site.simulator.calls
    await resume(site, id)
    events.append(await site.send("ana", 20))
    assert await until_taken(site, 21) == [f"Alarm {n}" for n in range(21)]
    for event in events:
        await site.until_settled(event, ana, "sent")
    await until_parked(site, id, 0)
    await balanced(site)


async def test_inbox_items_of_a_paused_workflow_wait_too(site: Site) -> None:
    ana = await site.person("ana")
    await site.publish(SHOWN)
    id = await pause(site, workflow="shown")
    await site.send("ana", 1)
    await until_parked(site, id, 1)
    assert not await site.services.storage.inbox.items(ana.number, before=None, limit=9)
    await resume(site, id)

    async def shown() -> bool:
        return bool(await site.services.storage.inbox.items(ana.number, before=None, limit=9))

    await site.until(shown)


async def test_a_paused_inbox_parks_items_since_they_have_no_hand_offs(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    await site.publish(SHOWN)
    id = await pause(site, channel="inbox")
    event = await site.send("ana", 1)
    await site.until_settled(event, ana, "sent")
    await until_parked(site, id, 1)
    assert not await site.services.storage.inbox.items(ana.number, before=None, limit=9)


async def test_a_paused_lane_waits_in_the_log_and_critical_is_untouched(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    await site.publish(URGENT)
    id = await pause(site, lane="transactional")
    waiting = [await site.send("ana", n) for n in range(5)]
    urgent = await site.send("ana", 9, type="urgent")
    await site.until_settled(urgent, ana, "sent")
    assert await until_taken(site, 1) == ["Urgent 9"]
    assert await site.services.stores.pauses.queues() == []
    audit = await site.services.history.auditor(0)
    assert audit.events["transactional"].waiting == 5
    await resume(site, id)
    await site.until_settled(waiting[-1], ana, "sent")
    assert await until_taken(site, 6) == ["Urgent 9", *(f"Alarm {n}" for n in range(5))]


async def test_a_paused_channel_is_planned_and_waits_in_the_log(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    id = await pause(site, channel="chat")
    events = [await site.send("ana", n) for n in range(5)]

    async def handed_off() -> bool:
        log = site.services.storage.log
        ends = [log.end("deliver.chat.transactional", p) for p in range(log.partitions)]
        return sum(ends) == 5

    await site.until(handed_off)
    await balanced(site)
    assert not site.simulator.calls
    await resume(site, id)
    await site.until_settled(events[-1], ana, "sent")
    assert await until_taken(site, 5) == [f"Alarm {n}" for n in range(5)]


async def test_a_paused_provider_parks_what_only_it_can_carry(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    id = await pause(site, provider="pager")
    event = await site.send("ana", 1)
    await until_parked(site, id, 1)
    told = (await site.until_settled(event, ana, "deferred"))[-1]
    assert isinstance(told, Settled)
    assert (told.reason, told.detail) == ("paused", f"{id} by key:ops: vendor is down")
    await balanced(site)
    await resume(site, id)
    await site.until_settled(event, ana, "sent")
    assert [len(await site.history(event, ana)), len(site.simulator.calls)] == [3, 1]


async def test_a_retry_of_a_paused_workflow_waits_for_its_end(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    site.simulator.dial([Dial.THROTTLE])
    event = await site.send("ana", 1)
    await site.until_settled(event, ana, "deferred")
    id = await pause(site, workflow="alarm")
    await site.pass_time(60_000)
    await until_parked(site, id, 1)
    assert len(site.simulator.calls) == 1
    await resume(site, id)
    await site.until_settled(event, ana, "sent")
    assert len(site.simulator.calls) == 2


async def test_what_expires_during_a_pause_ends_as_expired(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    id = await pause(site, provider="pager")
    event = await site.send("ana", 1, expires_in="1h")
    await until_parked(site, id, 1)
    await site.pass_time(3_600_000)
    await site.until_settled(event, ana, "expired")
    await until_parked(site, id, 0)
    await balanced(site)


async def test_of_two_pauses_both_have_to_end(site: Site) -> None:
    ana = await site.person("ana", "ana-pager")
    first = await pause(site, provider="pager")
    event = await site.send("ana", 1)
    await until_parked(site, first, 1)
    second = await pause(site, workflow="alarm")
    await resume(site, first)
    await until_parked(site, second, 1)
    assert not site.simulator.calls
    await resume(site, second)
    await site.until_settled(event, ana, "sent")


async def test_a_pause_in_the_midst_of_calls_lets_none_begin_after_it(site: Site) -> None:
    ana, bea = await site.person("ana", "ana-pager"), await site.person("bea", "bea-pager")
    site.simulator.dial([Dial.STALL])
    first = await site.send("ana", 1)
    await site.until_called(1)
    id = await pause(site, channel="chat")
    second, third = await site.send("ana", 2), await site.send("bea", 3)
    site.simulator.release()
    await site.until_settled(first, ana, "sent")
    assert len(site.simulator.calls) == 1
    await resume(site, id)
    await site.until_settled(second, ana, "sent")
    await site.until_settled(third, bea, "sent")


async def test_a_pause_outlives_the_process(tmp_path: Path, layout: str, vendor: Vendor) -> None:
    async with process(tmp_path, layout, vendor) as site:
        await site.publish()
        site.start()
        ana = await site.person("ana", "ana-pager")
        id = await pause(site, workflow="alarm")
        event = await site.send("ana", 1)
        await until_parked(site, id, 1)
        await site.stop()
    async with process(tmp_path, layout, vendor) as site:
        site.start()
        assert [each.id for each in site.services.pauses.now.in_force] == [id]
        later = await site.send("ana", 2)
        await until_parked(site, id, 2)
        await resume(site, id)
        await site.until_settled(later, ana, "sent")
        assert [each.text for each in vendor.simulator.taken] == ["Alarm 1", "Alarm 2"]
        assert len(await site.history(event, ana)) == 2


async def test_ten_thousand_that_were_parked_come_out_in_slices_and_in_order(site: Site) -> None:
    people = await site.services.stores.recipients.put(
        [Recipient(0, f"person-{n}") for n in range(1_000)]
    )
    await site.publish(SHOWN)
    id = await pause(site, workflow="shown")
    names = [each.id for each in people]
    for n in range(10):
        await site.send("all", n, recipients=names)
    await until_parked(site, id, 10_000)
    await resume(site, id)

    async def all_shown() -> bool:
        counts = await site.services.storage.ledger.settled_counts(0, 2**47)
        return counts.get(("transactional", "inbox", "sent")) == 10_000

    await site.until(all_shown)
    for person in people[::100]:
        assert await until_shown(site, person, 10) == [str(n) for n in range(10)]
    await balanced(site)
