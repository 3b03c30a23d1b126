"""Thousands of deliveries to a service that fails in every way, on virtual time: nothing is lost."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from tests.delivering.site import Site, Vendor, process
from tocsin.adapters.system import SystemClock
from tocsin.app.callers import LOCAL
from tocsin.app.quiet import Quiet
from tocsin.domain.cloudevents import EventLimits, read_events
from tocsin.domain.handoff_order import PATIENCE_MS
from tocsin.domain.ids import show_delivery
from tocsin.domain.records import Attempt, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.ports.simulator import Dial
from tocsin.wiring.sandbox import workers

PEOPLE = 400
SENT_AT_ONCE = 50
UNKNOWN_MAX = 12
STEP_MS = 3_000
OFTEN = (Dial.REFUSE, Dial.FAIL, Dial.TAKE_AND_DROP, Dial.DROP)
WRONG = (*OFTEN, *OFTEN, *OFTEN, Dial.THROTTLE)
SETTLED = ("sent", "failed", "suppressed", "expired", "cancelled")

Histories = dict[str, list[Attempt | Settled]]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("layout", "deliveries"), [("joint", 10_000), ("split", 2_000)])
async def test_nothing_is_lost_and_only_what_is_unknown_is_repeated(
    tmp_path: Path, vendor: Vendor, layout: str, deliveries: int
) -> None:
    dice = random.Random(7)
    vendor.simulator.dial(
        [dice.choice(WRONG) if dice.random() < 0.3 else Dial.ACCEPT for _ in range(deliveries)]
    )
    async with process(tmp_path, layout, vendor) as site:
        await site.publish()
        for n in range(PEOPLE):
            await site.person(f"p{n}", f"pager-{n}")
        site.start()
        for first in range(0, deliveries, SENT_AT_ONCE):
            await _send(site, range(first, min(deliveries, first + SENT_AT_ONCE)))
            await site.pass_time(1)
        await _until_settled(site, deliveries)
        histories = await _histories(site)
        assert len(histories) == deliveries
        _check_attempts(histories)
        _check_takes(vendor, histories)
        _check_order(vendor, histories)


async def _send(site: Site, numbers: Iterable[int]) -> None:
    events = [
        {"type": "alarm", "id": f"e{n}", "recipients": [f"p{n % PEOPLE}"], "data": {"n": n}}
        for n in numbers
    ]
    body = msgspec.json.encode(events)
    incoming = read_events("application/json", {}, body, EventLimits())
    await site.services.accept.take(LOCAL, incoming.items)


async def _until_settled(site: Site, deliveries: int) -> None:
    """Let time pass, in steps that let some come due together, when nothing is under way."""
    counted, clock = site.services.message_meter.settled, site.clock
    quiet = Quiet(workers(site.services), (), SystemClock(), longest_ms=300_000)
    while sum(counted["chat", "transactional", state] for state in SETTLED) < deliveries:
        assert await quiet.reached()
        clock.advance(max(clock.next_due_ms() or 0, clock.now_ms() + STEP_MS))


async def _histories(site: Site) -> Histories:
    log = site.services.storage.log
    found: Histories = defaultdict(list)
    for partition in range(log.partitions):
        position = 0
        while position < log.end(OUTCOMES, partition):
            batch = await log.read(OUTCOMES, partition, position, records_max=5_000)
            for record in batch.records:
                assert isinstance(record, Attempt | Settled)
                found[show_delivery(record.delivery)].append(record)
            position = batch.end
    return found


def _check_attempts(histories: Histories) -> None:
    """Each call was written before, answered once, and none follows the one that settled it."""
    for records in histories.values():
        calls = [each.number for each in records if isinstance(each, Attempt)]
        assert calls == list(range(1, len(calls) + 1))
        told = [each for each in records if isinstance(each, Settled)]
        assert sum(not each.known for each in told) <= UNKNOWN_MAX
        assert [each.attempt for each in told if each.attempt] == calls
        assert [each.state in SETTLED for each in told] == [False] * (len(told) - 1) + [True]


def _check_takes(vendor: Vendor, histories: Histories) -> None:
    """What was sent was taken; it was taken twice only where an answer was lost."""
    takes = Counter(each.reference for each in vendor.simulator.taken)
    for reference, records in histories.items():
        told = [each for each in records if isinstance(each, Settled)]
        unknown = sum(not each.known for each in told)
        if told[-1].state == "sent":
            assert 1 <= takes[reference] <= 1 + unknown
        else:
            assert takes[reference] <= unknown


def _check_order(vendor: Vendor, histories: Histories) -> None:
    """Each address saw its messages as they were sent, or patience with earlier ones had ended."""
    seen: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for each in vendor.simulator.taken:
        number = int(each.text.removeprefix("Alarm "))
        seen[each.address].setdefault(number, each.reference)
    overtaking = 0
    for line in seen.values():
        waiting = sorted(line)
        for number in line:
            earlier = waiting[: waiting.index(number)]
            waiting.remove(number)
            if earlier:
                overtaking += 1
                begun_ms = min(each.at_ms for each in histories[line[number]] if _is_call(each))
                since_ms = min(_deferred_ms(histories[line[n]]) for n in line if n < number)
                assert begun_ms - since_ms >= PATIENCE_MS["transactional"]
    assert overtaking < len(histories) / 10


def _is_call(record: Attempt | Settled) -> bool:
    return isinstance(record, Attempt)


def _deferred_ms(records: list[Attempt | Settled]) -> int:
    told = (each for each in records if isinstance(each, Settled) and each.state == "deferred")
    return min((each.at_ms for each in told), default=2**60)
