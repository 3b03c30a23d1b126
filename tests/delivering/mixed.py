"""Many deliveries to a vendor that fails in every way, and what holds for them whatever it does."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from tests.delivering.site import Site
from tocsin.adapters.system import SystemClock
from tocsin.app.callers import LOCAL
from tocsin.app.quiet import Quiet
from tocsin.domain.cloudevents import EventLimits, read_events
from tocsin.domain.handoff_order import PATIENCE_MS
from tocsin.domain.ids import show_delivery
from tocsin.domain.records import Attempt, Settled
from tocsin.domain.retry import costs
from tocsin.domain.topics import OUTCOMES
from tocsin.ports.simulator import Dial, Taken
from tocsin.wiring.sandbox import workers

FAILING: Final = 0.3
"""The part of all calls that goes wrong."""
SENT_AT_ONCE: Final = 50
STEP_MS: Final = 3_000
OFTEN: Final = (Dial.REFUSE, Dial.FAIL, Dial.TAKE_AND_DROP, Dial.DROP)
WRONG: Final = (*OFTEN, *OFTEN, *OFTEN, Dial.THROTTLE)
SETTLED: Final = ("sent", "failed", "suppressed", "expired", "cancelled")
BODY: Final = "number n{{ data.n }}n"
_NUMBER: Final = re.compile(r"\bn(\d+)n\b")

Histories = dict[str, list[Attempt | Settled]]


def dials(dice: random.Random, count: int) -> list[Dial]:
    """What happens to the next *count* messages."""
    return [dice.choice(WRONG) if dice.random() < FAILING else Dial.ACCEPT for _ in range(count)]


async def send_all(site: Site, deliveries: int, people: int) -> None:
    """Accept so many events, to each of the people ``p0``, ``p1`` … in turn."""
    for first in range(0, deliveries, SENT_AT_ONCE):
        await _send(site, range(first, min(deliveries, first + SENT_AT_ONCE)), people)
        await site.pass_time(1)


async def _send(site: Site, numbers: Iterable[int], people: int) -> None:
    events = [
        {"type": "alarm", "id": f"e{n}", "recipients": [f"p{n % people}"], "data": {"n": n}}
        for n in numbers
    ]
    body = msgspec.json.encode(events)
    incoming = read_events("application/json", {}, body, EventLimits())
    await site.services.accept.take(LOCAL, incoming.items)


async def until_settled(site: Site, channel: str, deliveries: int, step_ms: int = STEP_MS) -> None:
    """Let time pass, in steps that let some come due together, when nothing is under way."""
    counted, clock = site.services.message_meter.settled, site.clock
    quiet = Quiet(workers(site.services), (), SystemClock(), longest_ms=300_000)
    while sum(counted[channel, "transactional", state] for state in SETTLED) < deliveries:
        assert await quiet.reached()
        clock.advance(max(clock.next_due_ms() or 0, clock.now_ms() + step_ms))


async def histories_of(site: Site) -> Histories:
    """Read what was written of every delivery."""
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


def check_attempts(histories: Histories, attempts_max: int) -> None:
    """Each call was written before, answered once, and none follows the one that settled it."""
    for records in histories.values():
        calls = [each.number for each in records if isinstance(each, Attempt)]
        assert calls == list(range(1, len(calls) + 1))
        told = [each for each in records if isinstance(each, Settled)]
        ended = [each for each in told if each.attempt and each.state != "sent"]
        assert sum(costs(each.reason, known=each.known) for each in ended) <= attempts_max
        assert [each.attempt for each in told if each.attempt] == calls
        assert [each.state in SETTLED for each in told] == [False] * (len(told) - 1) + [True]


def check_takes(taken: Sequence[Taken], histories: Histories) -> None:
    """What was sent was taken; it was taken twice only where an answer was lost."""
    takes = Counter(each.reference for each in taken)
    for reference, records in histories.items():
        told = [each for each in records if isinstance(each, Settled)]
        unknown = sum(not each.known for each in told)
        if told[-1].state == "sent":
            assert 1 <= takes[reference] <= 1 + unknown
        else:
            assert takes[reference] <= unknown


def check_order(taken: Sequence[Taken], histories: Histories) -> int:
    """
    Each address saw its messages as they were sent, or patience with earlier ones had ended.

    Return how many have overtaken another.
    """
    seen: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for each in taken:
        said = _NUMBER.search(each.text)
        assert said is not None, each.text
        seen[each.address].setdefault(int(said[1]), each.reference)
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
    return overtaking


def _is_call(record: Attempt | Settled) -> bool:
    return isinstance(record, Attempt)


def _deferred_ms(records: list[Attempt | Settled]) -> int:
    told = (each for each in records if isinstance(each, Settled) and each.state == "deferred")
    return min((each.at_ms for each in told), default=2**60)
