"""A process dies between attempt and outcome, or is taken over: what the next one does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.delivering.site import BEGIN_MS, Site, Vendor, delivery_of, process
from tocsin.domain.attempts import history
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Attempt, Handoff, Retry, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.errors import Fenced
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.simulator import Dial, Taken


async def abandoned(
    folder: Path, layout: str, vendor: Vendor, on_unknown: str = "resend"
) -> tuple[bytes, Recipient]:
    """Let a process die while the vendor has its message and has not answered."""
    async with process(folder, layout, vendor, on_unknown=on_unknown) as site:
        await site.publish()
        ana = await site.person("ana", "ana-pager")
        vendor.simulator.dial([Dial.STALL])
        site.start()
        event = await site.send("ana", 1)
        await site.until_called(1)
        await site.others_go_on()
        return event, ana


def pages(vendor: Vendor) -> list[Taken]:
    """Return what the vendor took for the one whom the test is about."""
    return [each for each in vendor.simulator.taken if each.address == "ana-pager"]


async def test_what_is_unknown_is_sent_once_more(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    event, ana = await abandoned(tmp_path, layout, vendor)
    async with process(tmp_path, layout, vendor) as site:
        site.start()
        records = await site.until_settled(event, ana, "sent")
    assert [(type(each), getattr(each, "number", None)) for each in records] == [
        (Attempt, 1),
        (Settled, None),
        (Attempt, 2),
        (Settled, None),
    ]
    unknown = records[1]
    assert isinstance(unknown, Settled)
    assert (unknown.reason, unknown.known, unknown.attempt) == ("outcome_unknown", False, 1)
    assert len(pages(vendor)) == 2
    assert len({each.reference for each in pages(vendor)}) == 1


async def test_what_is_unknown_can_be_given_up(tmp_path: Path, layout: str, vendor: Vendor) -> None:
    event, ana = await abandoned(tmp_path, layout, vendor, on_unknown="give_up")
    async with process(tmp_path, layout, vendor, on_unknown="give_up") as site:
        site.start()
        records = await site.until_settled(event, ana, "failed")
    assert isinstance(records[-1], Settled)
    assert (records[-1].reason, records[-1].known) == ("outcome_unknown", False)
    assert len(pages(vendor)) == 1


async def test_a_receipt_that_came_meanwhile_spares_the_repeat(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    event, ana = await abandoned(tmp_path, layout, vendor)
    reference = "dlv_" + delivery_of(event, ana).hex()
    async with process(tmp_path, layout, vendor) as site:
        callback = vendor.simulator.callback([reference], ReceiptState.DELIVERED, BEGIN_MS)
        await site.services.delivery.callbacks.receive("pager", callback)
        site.start()
        records = await site.until_settled(event, ana, "delivered")
    assert [each.state for each in records if isinstance(each, Settled)] == ["sent", "delivered"]
    assert len(pages(vendor)) == 1


async def test_a_process_that_stops_in_good_order_leaves_nothing_unknown(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    async with process(tmp_path, layout, vendor) as site:
        await site.publish()
        ana = await site.person("ana", "ana-pager")
        vendor.simulator.dial([Dial.STALL])
        site.start()
        first = await site.send("ana", 1)
        await site.until_called(1)
        second = await site.send("ana", 2)
        async with asyncio.TaskGroup() as tasks:
            drained = tasks.create_task(site.services.delivery.drain(20_000))
            assert not drained.done()
            vendor.simulator.release()
        await site.stop()
    async with process(tmp_path, layout, vendor) as site:
        site.start()
        records = [*await site.until_settled(second, ana, "sent")]
        records += await site.history(first, ana)
    assert all(each.known for each in records if isinstance(each, Settled))
    assert [each.text for each in pages(vendor)] == ["Alarm 1", "Alarm 2"]


async def test_the_line_behind_a_failing_message_outlives_its_process(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    event, ana = await _unanswered(tmp_path, layout, vendor)
    async with process(tmp_path, layout, vendor) as site:
        site.start()
        second = await site.send("ana", 2)
        records = await site.until_settled(second, ana, "deferred")
        assert isinstance(records[-1], Settled)
        assert records[-1].reason == "behind_another"
        await site.pass_time(60_000)
        await site.until_settled(second, ana, "sent")
        assert history(await site.history(event, ana)).ended
    assert [each.text for each in pages(vendor)] == ["Alarm 1", "Alarm 2"]


async def _unanswered(folder: Path, layout: str, vendor: Vendor) -> tuple[bytes, Recipient]:
    async with process(folder, layout, vendor) as site:
        await site.publish()
        ana = await site.person("ana", "ana-pager")
        vendor.simulator.dial([Dial.DROP])
        site.start()
        event = await site.send("ana", 1)
        await site.until_settled(event, ana, "deferred")
        await site.others_go_on()
        return event, ana


async def test_who_was_taken_over_calls_nobody_any_more(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    async with process(tmp_path, layout, vendor) as site:
        await site.publish()
        ana = await site.person("ana", "ana-pager")
        site.start()
        event = await site.send("ana", 1)
        await site.until_settled(event, ana, "sent")
        log = site.services.storage.log
        topic = "deliver.chat.transactional"
        for partition in range(log.partitions):
            await log.acquire(topic, topic, partition)
        await site.send("ana", 2)
        with pytest.raises(BaseExceptionGroup) as ended:
            await site.until(_never)
        assert ended.group_contains(Fenced, depth=1)
        assert len(pages(vendor)) == 1


async def _never() -> bool:
    return False


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dials=st.lists(
        st.sampled_from([Dial.ACCEPT, Dial.REFUSE, Dial.THROTTLE, Dial.FAIL, Dial.TAKE_AND_DROP]),
        max_size=12,
    ),
    people=st.integers(1, 5),
    stop_after=st.integers(1, 12),
    layout=st.sampled_from(["joint", "split"]),
)
def test_what_is_committed_has_an_outcome_wherever_it_stops(
    tmp_path_factory: pytest.TempPathFactory,
    dials: list[Dial],
    people: int,
    stop_after: int,
    layout: str,
) -> None:
    folder = tmp_path_factory.mktemp("stop")
    asyncio.run(_stop_anywhere(folder, layout, dials, people, stop_after))


async def _stop_anywhere(
    folder: Path, layout: str, dials: list[Dial], people: int, stop_after: int
) -> None:
    async with Vendor().serving() as vendor:
        vendor.simulator.dial(dials)
        async with process(folder, layout, vendor) as site:
            await site.publish()
            for person in range(people):
                await site.person(f"p{person}", f"pager-{person}")
            site.start()
            for n in range(12):
                await site.send(f"p{n % people}", n)
            log = site.services.storage.log

            async def far_enough() -> bool:
                await site.pass_time(100)
                return sum(log.end(OUTCOMES, p) for p in range(log.partitions)) >= stop_after

            await site.until(far_enough)
        async with process(folder, layout, vendor) as next_site:
            await _check_committed(next_site)


async def _check_committed(site: Site) -> None:
    """Every hand-off below a committed position has an outcome or a timer's mark on the log."""
    log = site.services.storage.log
    topic = "deliver.chat.transactional"
    committed = await log.committed(topic)
    for partition in range(log.partitions):
        end = committed.get((topic, partition), 0)
        told: dict[bytes, list[Attempt | Settled]] = {}
        outcomes = await log.read(OUTCOMES, partition, 0, records_max=10_000)
        for record in outcomes.records:
            if isinstance(record, Attempt | Settled):
                told.setdefault(record.delivery, []).append(record)
        handed = await log.read(topic, partition, 0, records_max=10_000)
        for position, record in enumerate(handed.records, handed.position):
            if position < end and isinstance(record, Handoff | Retry):
                before = record.attempts if isinstance(record, Retry) else 0
                delivery = record.handoff.delivery if isinstance(record, Retry) else record.delivery
                assert any(isinstance(each, Settled) for each in told[delivery])
                # What is open then was begun by a timer that comes later.
                open_ = history(told[delivery]).open
                assert open_ is None or open_.number > before + 1
