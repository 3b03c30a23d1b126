"""What is remembered of deliveries is what the log says, whoever wrote it and in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from tocsin.app.delivering.remembered import Remembered
from tocsin.domain.attempts import History
from tocsin.domain.records import Attempt, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.ports.log import Batch, Log

ONE = bytes(19) + b"\x01"
TWO = bytes(19) + b"\x02"


class Written:
    """The one partition of a log that `Remembered` asks for."""

    partitions = 1

    def __init__(self) -> None:
        self.records: list[Attempt | Settled] = []

    def end(self, _topic: str, _partition: int) -> int:
        return len(self.records)

    async def read(self, topic: str, partition: int, position: int, *, records_max: int) -> Batch:
        return Batch(topic, partition, position, self.records[position : position + records_max])

    def write(self, *records: Attempt | Settled) -> Batch:
        batch = Batch(OUTCOMES, 0, len(self.records), records)
        self.records += records
        return batch


def attempt(delivery: bytes, number: int) -> Attempt:
    return Attempt(delivery, number, 1, "pager", "r", 1_000, "chat", "bulk")


def settled(delivery: bytes, state: str, number: int) -> Settled:
    return Settled(delivery, "bulk", "chat", state, "", 1_000, number)


@pytest.fixture
def log() -> Written:
    return Written()


def remembered(log: Written, histories_max: int = 10) -> Remembered:
    found = Remembered(cast(Log, log), histories_max)
    found.keep({ONE: History(), TWO: History()})
    return found


def attempts(known: dict[bytes, History], *deliveries: bytes) -> Sequence[int | None]:
    return [known[each].attempts if each in known else None for each in deliveries]


async def test_writers_may_hear_of_their_records_in_any_order(log: Written) -> None:
    known = remembered(log)
    first = log.write(attempt(ONE, 1), settled(ONE, "deferred", 1))
    second = log.write(attempt(ONE, 2))
    known.take([second])
    known.take([first])
    found = known.known([ONE, TWO])
    assert attempts(found, ONE, TWO) == [2, 0]
    assert found[ONE].open is not None


async def test_what_others_wrote_is_read_before_it_is_told(log: Written) -> None:
    known = remembered(log)
    log.write(attempt(TWO, 1))
    known.take([log.write(attempt(ONE, 1))])
    assert attempts(known.known([ONE, TWO]), ONE, TWO) == [0, 0]
    await known.catch_up()
    assert attempts(known.known([ONE, TWO]), ONE, TWO) == [1, 1]


async def test_what_has_settled_and_what_is_too_much_is_forgotten(log: Written) -> None:
    known = remembered(log)
    known.take([log.write(attempt(ONE, 1), settled(ONE, "sent", 1))])
    assert attempts(known.known([ONE, TWO]), ONE, TWO) == [None, 0]
    few = remembered(log, histories_max=1)
    assert attempts(few.known([ONE, TWO]), ONE, TWO) == [None, 0]


async def test_a_copy_that_is_told_stays_as_it_was(log: Written) -> None:
    known = remembered(log)
    told = known.known([ONE])[ONE]
    known.take([log.write(attempt(ONE, 1))])
    assert told.attempts == 0


async def test_what_has_settled_is_followed_on_for_receipts(log: Written) -> None:
    found = remembered(log)
    log.write(attempt(ONE, 1), settled(ONE, "sent", 1))
    await found.catch_up()
    assert ONE not in found.known([ONE])
    assert not found.ended([ONE])[ONE].receipts
    receipt = Settled(ONE, "bulk", "chat", "opened", "o", 1_000, provider="pager", receipt=True)
    found.take([log.write(receipt)])
    assert found.ended([ONE, TWO])[ONE].receipts == {("pager", "opened", "o"): 1_000}
    assert TWO not in found.ended([TWO])


async def test_of_what_has_settled_the_newest_are_remembered(log: Written) -> None:
    found = remembered(log, histories_max=4)
    log.write(attempt(ONE, 1), settled(ONE, "sent", 1), attempt(TWO, 1), settled(TWO, "sent", 1))
    await found.catch_up()
    assert set(found.ended([ONE, TWO])) == {TWO}
