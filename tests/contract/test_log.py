"""What `tocsin.ports.log.Log` promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import apsw
import msgspec
import pytest

from tests.contract.view_records import BEGIN_MS, item
from tests.contract.view_stores import LAYOUTS, ViewStores
from tests.support.waiting import awaited
from tocsin.domain.records import Event, Item, Poison
from tocsin.errors import Fenced, StorageFull
from tocsin.ports.log import Batch, Output, Source, Step

TOPIC = "events.bulk"


@pytest.fixture(params=LAYOUTS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ViewStores]:
    """An empty log."""
    made = ViewStores(tmp_path, cast(str, request.param))
    await made.open()
    yield made
    made.close()


def event(number: int, *, at_ms: int = BEGIN_MS, data: bytes = b"{}") -> Event:
    """Return an event with this *number*."""
    key = at_ms.to_bytes(6, "big") + number.to_bytes(10, "big")
    return Event(key, at_ms, "p", "s", str(number), "t", bytes(16), data=data)


def events(*numbers: int, partition: int = 0) -> Output:
    return Output(TOPIC, partition, [event(number) for number in numbers])


def ids(batch: Batch) -> list[str]:
    return [each.id for each in batch.records if isinstance(each, Event)]


async def read_all(stores: ViewStores, position: int = 0, *, partition: int = 0) -> list[str]:
    found: list[str] = []
    while True:
        batch = await stores.log.read(TOPIC, partition, position, records_max=3)
        if not batch.records:
            return found
        assert batch.position >= position
        found += ids(batch)
        position = batch.end


async def test_positions_are_dense_and_in_the_order_of_the_calls(stores: ViewStores) -> None:
    first = await stores.log.append([events(1, 2), events(9, partition=1)])
    second = await stores.log.append([events(3)])

    assert [(b.partition, b.position, b.end) for b in first] == [(0, 0, 2), (1, 0, 1)]
    assert [(b.position, b.end) for b in second] == [(2, 3)]
    assert await read_all(stores) == ["1", "2", "3"]
    assert await read_all(stores, 1) == ["2", "3"]
    assert await read_all(stores, partition=1) == ["9"]
    assert (stores.log.end(TOPIC, 0), stores.log.end(TOPIC, 1)) == (3, 1)


async def test_appends_of_one_moment_keep_their_order(stores: ViewStores) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(stores.log.append([events(n, n + 100)])) for n in range(20)]

    places = [task.result()[0].position for task in tasks]
    assert places == list(range(0, 40, 2))
    assert await read_all(stores) == [str(m) for n in range(20) for m in (n, n + 100)]


async def test_what_cannot_be_encoded_fails_its_caller_alone(stores: ViewStores) -> None:
    """All of one moment share a commit: nobody else must wait for what never comes about."""
    odd = Output(TOPIC, 0, [event(2), msgspec.structs.replace(event(3), accepted_ms=1 << 70)])
    said = await awaited(
        "each append has ended",
        asyncio.gather(
            stores.log.append([events(1)]),
            stores.log.append([odd]),
            stores.log.append([events(4)]),
            return_exceptions=True,
        ),
    )
    assert isinstance(said[1], OverflowError)
    (first,), (last,) = cast(list[Sequence[Batch]], [said[0], said[2]])
    assert [first.position, last.position] == [0, 1]
    with pytest.raises(OverflowError):
        await stores.log.commit(Step((), [odd]))
    await stores.log.append([events(5)])
    assert await read_all(stores) == ["1", "4", "5"]
    await stores.reopen()
    assert await read_all(stores) == ["1", "4", "5"]


async def test_what_append_returned_for_outlives_the_process(stores: ViewStores) -> None:
    await stores.log.append([events(*range(7))])
    await stores.reopen()

    assert await read_all(stores) == [str(n) for n in range(7)]
    (after,) = await stores.log.append([events(7)])
    assert after.position == 7


async def test_the_file_and_the_memory_tell_the_same(stores: ViewStores) -> None:
    for start in range(0, 30, 3):
        await stores.log.append([events(*range(start, start + 3))])
    recent = [await read_all(stores, position) for position in range(31)]
    await stores.reopen()

    assert [await read_all(stores, position) for position in range(31)] == recent
    assert recent[0] == [str(n) for n in range(30)]


async def test_long_and_many_records_are_cut_into_rows_and_read_as_one(stores: ViewStores) -> None:
    made = [event(n, data=b'"%b"' % (b"x" * 40_000)) for n in range(20)]
    await stores.log.append([Output(TOPIC, 0, made)])
    await stores.reopen()

    batch = await stores.log.read(TOPIC, 0, 3, records_max=1_000)
    assert batch.position == 3
    assert list(batch.records) == made[3:]


async def test_wait_returns_for_what_is_there_and_for_what_comes(stores: ViewStores) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(stores.log.wait({(TOPIC, 0): 0, (TOPIC, 1): 0}))
        await asyncio.sleep(0)
        assert not waiting.done()
        await stores.log.append([events(1, partition=1)])
    await stores.log.wait({(TOPIC, 0): 0, (TOPIC, 1): 0})


def step(epoch: int, previous: int, position: int, *outputs: Output) -> Step:
    return Step([Source("g", TOPIC, 0, previous, position, epoch)], outputs)


async def test_a_step_keeps_outputs_and_position_together(stores: ViewStores) -> None:
    epoch, position = await stores.log.acquire("g", TOPIC, 0)
    await stores.log.commit(step(epoch, position, 5, Output("plans.bulk", 0, [event(1)])))
    await stores.reopen()

    assert await stores.log.committed("g") == {(TOPIC, 0): 5}
    assert stores.log.end("plans.bulk", 0) == 1
    assert await stores.log.acquire("g", TOPIC, 0) == (epoch + 1, 5)


async def test_acquiring_fences_the_owner_before(stores: ViewStores) -> None:
    old, position = await stores.log.acquire("g", TOPIC, 0)
    new, _ = await stores.log.acquire("g", TOPIC, 0)

    with pytest.raises(Fenced):
        await stores.log.commit(step(old, position, 1, Output("plans.bulk", 0, [event(1)])))

    assert stores.log.end("plans.bulk", 0) == 0
    assert (await stores.log.committed("g"))[TOPIC, 0] == 0
    await stores.log.commit(step(new, position, 1, Output("plans.bulk", 0, [event(2)])))
    batch = await stores.log.read("plans.bulk", 0, 0, records_max=9)
    assert ids(batch) == ["2"]


async def test_a_step_from_a_position_that_is_past_is_refused(stores: ViewStores) -> None:
    epoch, _ = await stores.log.acquire("g", TOPIC, 0)
    await stores.log.commit(step(epoch, 0, 3))

    with pytest.raises(Fenced):
        await stores.log.commit(step(epoch, 0, 4))
    assert await stores.log.committed("g") == {(TOPIC, 0): 3}


async def test_readers_go_on_over_the_hole_of_a_failed_step(stores: ViewStores) -> None:
    old, _ = await stores.log.acquire("g", "x", 0)
    await stores.log.acquire("g", "x", 0)
    await stores.log.append([events(1)])
    with pytest.raises(Fenced):
        await stores.log.commit(Step([Source("g", "x", 0, 0, 1, old)], [events(7, 8)]))
    await stores.log.append([events(2)])

    assert await read_all(stores) == ["1", "2"]
    assert await read_all(stores, 1) == ["2"]
    await stores.reopen()
    assert await read_all(stores) == ["1", "2"]
    assert await read_all(stores, 2) == ["2"]
    (after,) = await stores.log.append([events(3)])
    assert ids(after) == ["3"]
    assert await read_all(stores) == ["1", "2", "3"]


async def test_a_full_disk_keeps_what_was_acknowledged_and_loses_nothing_else(
    tmp_path: Path,
) -> None:
    stores = ViewStores(tmp_path, "joint")
    await stores.open()
    await stores.put(Output("inbox.bulk", 1, [item(1, 1, BEGIN_MS)]))
    stores.close()
    await stores.open(full=True)
    large = [item(1, 2 + n, BEGIN_MS) for n in range(4_000)]

    with pytest.raises(StorageFull):
        await stores.put(Output("inbox.bulk", 1, large))

    listed = await stores.inbox.items(1, before=None, limit=9)
    assert [each.key for each in listed] == [item(1, 1, BEGIN_MS).key]
    assert (await stores.inbox.counts(1, BEGIN_MS)).unread == 1
    await stores.put(Output("inbox.bulk", 1, [item(1, 9_000, BEGIN_MS)]))
    await stores.reopen()
    batch = await stores.log.read("inbox.bulk", 1, 0, records_max=9)
    assert [each.key for each in batch.records if isinstance(each, Item)] == [
        item(1, 1, BEGIN_MS).key
    ]
    assert (await stores.inbox.counts(1, BEGIN_MS)).unread == 2
    stores.close()


async def test_who_is_cancelled_does_not_undo_a_step(tmp_path: Path) -> None:
    """Only a step that writes views tells of them."""
    stores = ViewStores(tmp_path, "joint")
    await stores.open()
    told: list[Sequence[Batch]] = []
    stores.feed.subscribe(told.append)
    step_ = Step((), [Output("inbox.bulk", 1, [item(1, 1, BEGIN_MS)])])
    async with asyncio.TaskGroup() as group:
        committing = group.create_task(stores.log.commit(step_, stores.follow()))
        await asyncio.sleep(0)
        committing.cancel()
    await stores.view_writer.flush()

    assert len(told) == 1
    assert (await stores.inbox.counts(1, BEGIN_MS)).unread == 1
    assert stores.inbox.ends(1)[2] == 1
    stores.close()


async def test_what_cannot_be_decoded_is_poison_at_its_position(
    stores: ViewStores, tmp_path: Path
) -> None:
    await stores.log.append([events(1)])
    await stores.log.append([events(2)])
    await stores.log.append([events(3)])
    stores.close()
    connection = apsw.Connection(str(tmp_path / ("joint.db" if stores.joint else "log.db")))
    rows: list[tuple[int, bytes]] = list(
        connection.execute("SELECT place, body FROM log_chunk ORDER BY place")
    )
    place, body = rows[1]
    connection.execute(
        "UPDATE log_chunk SET body = ? WHERE place = ?", (body[:8] + b"\xc1" * len(body[8:]), place)
    )
    connection.close()
    await stores.open()

    batch = await stores.log.read(TOPIC, 0, 0, records_max=9)

    assert [type(each) for each in batch.records] == [Event, Poison, Event]
    assert batch.end == 3


async def test_covering_finds_the_batches_of_a_time(stores: ViewStores) -> None:
    for number in range(5):
        made = [
            event(number, at_ms=BEGIN_MS + 10 * number),
            event(9, at_ms=BEGIN_MS + 10 * number + 5),
        ]
        await stores.log.append([Output(TOPIC, 0, made)])
    await stores.reopen()

    found = await stores.log.covering(TOPIC, 0, BEGIN_MS + 23)

    assert [(each.position, ids(each)) for each in found] == [(4, ["2", "9"])]
    assert await stores.log.covering(TOPIC, 0, BEGIN_MS + 27) == []
    assert not await stores.log.covering("events.nothing", 0, BEGIN_MS)


async def test_spans_name_what_may_reach_a_time(stores: ViewStores) -> None:
    for number in range(4):
        await stores.log.append([Output(TOPIC, 0, [event(number, at_ms=BEGIN_MS + number)])])

    found = list(await stores.log.spans(TOPIC, 0, BEGIN_MS + 2))

    assert found == [(2, 3), (3, 4)]


async def test_a_topic_of_one_partition_has_one(stores: ViewStores) -> None:
    assert {stores.log.partition_of("inbox.broadcasts", n) for n in range(9)} == {0}
    assert {stores.log.partition_of(TOPIC, n) for n in range(9)} == {0, 1}
