"""What is found of deliveries after a restart is what the log says, without reading it for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.app.delivering.histories import Histories
from tocsin.config import Config
from tocsin.domain.attempts import History, history
from tocsin.domain.ids import delivery_key, event_key, notification_key, recipient_of
from tocsin.domain.records import Attempt, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.ports.log import Batch, Log, Output
from tocsin.wiring.storage import open_storage

BEGIN_MS = 1_900_000_000_000
LINES = 10
ROUNDS = 5
Told = Attempt | Settled


class CountedLog:
    """Stands before a log and counts what is read of it."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.reads = 0
        self.records = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def read(self, topic: str, partition: int, position: int, *, records_max: int) -> Batch:
        batch: Batch = await self._log.read(topic, partition, position, records_max=records_max)
        self.reads += 1
        self.records += len(batch.records)
        return batch


@asynccontextmanager
async def opened(folder: Path, layout: str, partitions: int = 1) -> AsyncIterator[CountedLog]:
    config = Config(mode="real", data=str(folder))
    store = msgspec.structs.replace(config.store, layout=cast(Any, layout))
    log = msgspec.structs.replace(config.log, partitions=partitions)
    config = msgspec.structs.replace(config, store=store, log=log)
    async with AsyncExitStack() as stack:
        storage = await open_storage(config, folder, stack, now_ms=BEGIN_MS, on_fatal=_fatal)
        yield CountedLog(storage.log)


def _fatal(error: BaseException) -> None:
    raise AssertionError("storage failed") from error


def delivery_of(line: int, at_ms: int) -> bytes:
    event = event_key(at_ms, line.to_bytes(4, "big"))
    return delivery_key(notification_key(event, 0, line + 1), 0, 1)


def attempt(delivery: bytes, number: int) -> Attempt:
    return Attempt(delivery, number, 1, "pager", "r", BEGIN_MS, "chat", "bulk")


def settled(delivery: bytes, state: str, number: int = 0, **more: Any) -> Settled:
    return Settled(delivery, "bulk", "chat", state, "", BEGIN_MS, number, **more)


async def write(log: CountedLog, records: Sequence[Told]) -> None:
    by_partition: dict[int, list[Told]] = {}
    for record in records:
        partition = log.partition_of(OUTCOMES, recipient_of(record.delivery))
        by_partition.setdefault(partition, []).append(record)
    await log.append([Output(OUTCOMES, p, some) for p, some in by_partition.items()])


async def outage(log: CountedLog, each: int) -> list[list[bytes]]:
    """Write lines whose messages were all parked, again and again; return them in their order."""
    lines = [
        [delivery_of(line, BEGIN_MS + 60_000 * n) for n in range(each)] for line in range(LINES)
    ]
    for n in range(each):
        await write(log, [settled(line[n], "deferred") for line in lines])
        if n % (each // ROUNDS) == 0:
            # Each transaction has some of all times, so whichever is looked up, it is read.
            for some in range(0, n, 10):
                await write(
                    log, [settled(d, "deferred") for line in lines for d in line[some : some + 10]]
                )
    return lines


@pytest.mark.parametrize("partitions", [1, 4])
async def test_what_is_read_after_an_outage_grows_as_the_log_and_not_with_each_look(
    tmp_path: Path, layout: str, partitions: int
) -> None:
    each = 100
    async with opened(tmp_path, layout, partitions) as log:
        lines = await outage(log, each)
    async with opened(tmp_path, layout, partitions) as log:
        histories = Histories(cast(Log, log), None)
        written = sum(log.end(OUTCOMES, partition) for partition in range(partitions))
        now_ms = BEGIN_MS + 60_000 * each
        for n in range(each):
            # One of each line at a time, as they are called.
            found = await histories.again([line[n] for line in lines], now_ms)
            assert {len(lines)} == {len(found)}
    deliveries = each * LINES
    assert written > 2 * deliveries
    assert log.records <= 3 * written
    assert log.reads <= deliveries / 4


async def test_only_a_bounded_number_is_held_in_mind(tmp_path: Path, layout: str) -> None:
    each, held_max = 100, 200
    async with opened(tmp_path, layout) as log:
        lines = await outage(log, each)
    async with opened(tmp_path, layout) as log:
        histories = Histories(cast(Log, log), None, remembered_max=2 * held_max)
        now_ms = BEGIN_MS + 60_000 * each
        for n in range(each):
            await histories.again([line[n] for line in lines], now_ms)
        written = log.end(OUTCOMES, 0)
        # A look for each of the parts that can be held, and as much again until it is worth it.
        assert log.records <= 3 * written * each * LINES / (held_max / 2)


@pytest.mark.parametrize(("held_max", "let_go"), [(3, 4), (4, 1)], ids=["later", "earlier"])
async def test_what_was_let_go_on_the_way_does_not_come_back_without_its_past(
    tmp_path: Path, layout: str, held_max: int, let_go: int
) -> None:
    deliveries = [delivery_of(0, BEGIN_MS + 1_000 * n) for n in range(held_max + 2)]
    gone = deliveries[let_go]
    async with opened(tmp_path, layout) as log:
        await write(log, [attempt(gone, 1), settled(gone, "deferred", 1)])
        # One too many to be held: the half that is not kept goes, of an odd number the smaller.
        await write(log, [settled(each, "deferred") for each in deliveries])
        await write(log, [settled(each, "deferred") for each in (deliveries[0], gone)])
        histories = Histories(cast(Log, log), None, remembered_max=2 * held_max)
        await histories.again(deliveries[:1], BEGIN_MS)
        assert (await histories.again([gone], BEGIN_MS))[gone].attempts == 1


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[list[Told]], list[bytes]]:
    """Batches about few deliveries in any order that a log may have, late and repeated receipts."""
    deliveries = [delivery_of(n % 3, BEGIN_MS + 300 * n) for n in range(8)]
    tries: dict[bytes, int] = {}
    batches: list[list[Told]] = []
    for sizes in draw(st.lists(st.integers(1, 6), max_size=12)):
        batch: list[Told] = []
        for _ in range(sizes):
            delivery = draw(st.sampled_from(deliveries))
            number = tries.get(delivery, 0)
            kind = draw(st.sampled_from(["attempt", "deferred", "sent", "parked", "receipt"]))
            if kind == "attempt":
                tries[delivery] = number + 1
                batch.append(attempt(delivery, number + 1))
            elif kind == "receipt":
                batch.append(settled(delivery, "delivered", provider="pager", receipt=True))
            elif kind == "parked":
                batch.append(settled(delivery, "deferred"))
            else:
                batch.append(settled(delivery, kind, number))
        batches.append(batch)
    asked = draw(st.lists(st.sampled_from(deliveries), min_size=1, max_size=12))
    return batches, asked


@settings(max_examples=40, deadline=None)
@given(logs(), st.integers(1, 12), st.integers(0, 5_000))
def test_whatever_is_kept_on_the_way_it_is_what_the_log_says(
    tmp_path_factory: pytest.TempPathFactory,
    given_log: tuple[list[list[Told]], list[bytes]],
    remembered_max: int,
    now_ms: int,
) -> None:
    batches, asked = given_log
    folder = tmp_path_factory.mktemp("log")
    asyncio.run(_asks(folder, batches, asked, remembered_max, BEGIN_MS + now_ms))


async def _asks(
    folder: Path, batches: list[list[Told]], asked: list[bytes], remembered_max: int, now_ms: int
) -> None:
    middle = len(batches) // 2
    async with opened(folder, "joint") as log:
        for batch in batches[:middle]:
            await write(log, batch)
        histories = Histories(cast(Log, log), None, remembered_max=remembered_max)
        written = [record for batch in batches[:middle] for record in batch]
        for n, delivery in enumerate(asked):
            found = await histories.again([delivery], now_ms)
            assert found == {delivery: _said(written, delivery)}
            # Some is written meanwhile, by somebody else.
            if middle + n < len(batches):
                await write(log, batches[middle + n])
                written += batches[middle + n]


def _said(records: Sequence[Told], delivery: bytes) -> History:
    return history(record for record in records if record.delivery == delivery)
