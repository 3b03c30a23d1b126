"""The track step: what outcomes, receipts and people's reading mean for runs that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
import structlog

from tocsin.app.receipts.early import EarlyReceipts
from tocsin.app.routing.holding import CANCEL
from tocsin.app.routing.inputs import RECEIPT
from tocsin.app.routing.intervals import capped, interval_timer
from tocsin.app.waiting import first_of, set_
from tocsin.domain.delivery import State
from tocsin.domain.ids import notification_of
from tocsin.domain.intervals import interval_key
from tocsin.domain.records import Continue, Poison, Record, Settled, StateChange, decode, encode
from tocsin.domain.topics import OUTCOMES, STATES
from tocsin.domain.waiting import (
    Fact,
    Stage,
    fact_of,
    fact_of_item,
    fact_of_report,
    facts_of,
    judge,
)
from tocsin.errors import Fenced, StorageFailed, Unavailable
from tocsin.ports.log import Log, Output, Source, Step
from tocsin.ports.state import Claim, Claims, Timer, Timers, Waits, Watched
from tocsin.ports.system import Clock
from tocsin.ports.views import InboxView

GROUP: Final = "track"
SATISFIED: Final = "satisfied"
"""The state of the claim row of a wait whose condition came true."""

_BATCH_RECORDS: Final = 2_000
_RECOVERED_AT_ONCE: Final = 1_000
_AGAIN_MS: Final = 200

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Owned:
    """How far one partition is read."""

    topic: str
    partition: int
    epoch: int
    committed: int
    position: int


class _Read(NamedTuple):
    """What some records say."""

    facts: list[Fact]
    runs: set[bytes]
    all_of: set[int]
    """Recipients who changed all of their inbox at once."""
    settled: list[bytes]
    """Deliveries whose calls have ended."""


class Tracker:
    """
    Reads ``outcomes`` and ``inbox.states`` while any run waits, and nothing while none does.

    A wait ends early in this order: its claim row is taken, then the record that lets the run go
    on is durable together with the position. After a crash the same records are read again and
    come to the same.

    A receipt that came before the outcome of its call is not on ``outcomes`` yet when that is read,
    and the wait's time runs from then: so what is kept aside is asked for with each outcome. What
    is not kept aside any more lies on ``receipts``, and is told before the timer fires.
    """

    def __init__(
        self,
        log: Log,
        waits: Waits,
        claims: Claims,
        timers: Timers,
        inbox: InboxView,
        early: EarlyReceipts,
        clock: Clock,
    ) -> None:
        self._log = log
        self._waits = waits
        self._claims = claims
        self._timers = timers
        self._inbox = inbox
        self._early = early
        self._clock = clock
        self._owned: list[_Owned] = []
        self._fresh: set[bytes] = set()
        self._in_hand: set[bytes] = set()
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._begun = asyncio.Event()
        self._idle = not waits.any
        waits.on_put(self._put)

    async def run(self) -> None:
        """Follow until cancelled."""
        await self.begin()
        while True:
            self._wake.clear()
            try:
                if not await self.turn():
                    await self._rest()
            except (Fenced, StorageFailed):
                raise
            except Unavailable as error:
                logger.warning("track_waits", code=error.code)
                await self._clock.pause(_AGAIN_MS)

    async def begin(self) -> None:
        """Take over what was read before."""
        self._owned = await self._own()
        await self._recover()
        self._begun.set()

    def busy(self) -> bool:
        """Return whether there is something on the log, or a run, that was not looked at."""
        if self._fresh or self._in_hand or not self._begun.is_set():
            return True
        return not self._idle and any(
            one.position < self._log.end(one.topic, one.partition) for one in self._owned
        )

    async def caught_up(self) -> None:
        """Return when all that is on the log by now has been looked at, or concerns no wait."""
        await self._begun.wait()
        ends = {(o.topic, o.partition): self._log.end(o.topic, o.partition) for o in self._owned}
        runs = self._fresh | self._in_hand
        while self._behind(ends, runs):
            self._moved.clear()
            await self._moved.wait()

    def _behind(self, ends: dict[tuple[str, int], int], runs: set[bytes]) -> bool:
        if self._idle:
            return False
        if runs & (self._fresh | self._in_hand):
            return True
        return any(o.position < ends.get((o.topic, o.partition), 0) for o in self._owned)

    def _put(self, runs: Sequence[bytes]) -> None:
        """
        Begin to read when the first run waits.

        Nothing about its deliveries can be on the log yet: they are planned with the commit that
        comes after this.
        """
        self._fresh.update(runs)
        if self._idle:
            self._idle = False
            for one in self._owned:
                one.position = max(one.position, self._log.end(one.topic, one.partition))
        self._wake.set()

    async def _own(self) -> list[_Owned]:
        owned = []
        for topic in (OUTCOMES, STATES):
            for partition in range(self._log.partitions):
                epoch, position = await self._log.acquire(GROUP, topic, partition)
                owned.append(_Owned(topic, partition, epoch, position, position))
        return owned

    async def _recover(self) -> None:
        """Look at every wait whose time did not run when the process ended."""
        after = b""
        while some := await self._waits.unarmed(after, _RECOVERED_AT_ONCE):
            self._fresh.update(each.wait.run for each in some)
            after = some[-1].wait.run

    async def _rest(self) -> None:
        if not self._idle:
            await self._waits.look()
        if not self._waits.any:
            self._idle = True
            self._moved.set()
            await self._wake.wait()
            return
        places = {(one.topic, one.partition): one.position for one in self._owned}
        await first_of(self._log.wait(places), set_(self._wake))

    async def turn(self) -> bool:
        """Take one batch; False when there was nothing to look at."""
        if self._idle:
            return False
        fresh, self._fresh = self._fresh, set()
        self._in_hand = fresh
        ends: dict[tuple[str, int], int] = {}
        records: list[Record | Poison] = []
        for one in self._owned:
            batch = await self._log.read(
                one.topic, one.partition, one.position, records_max=_BATCH_RECORDS
            )
            if batch.records:
                records += batch.records
                ends[one.topic, one.partition] = batch.end
        if not fresh and not ends:
            return False
        try:
            outputs = await self._look(_read(records), fresh, ends)
            await self._commit(ends, outputs)
        except Unavailable:
            self._fresh |= fresh
            raise
        return True

    async def _look(
        self, read: _Read, fresh: set[bytes], ends: dict[tuple[str, int], int]
    ) -> list[Output]:
        """Note what was said, and return the records of the intervals that it ends."""
        if read.all_of:
            await self._inbox.reached({p: end for p, end in ends.items() if p[0] == STATES})
            read.facts.extend(await self._shown_to(read.all_of))
            read.runs.update(notification_of(fact.delivery) for fact in read.facts)
        if read.settled:
            read.facts.extend(await self._heard_early(read.settled))
        if read.facts:
            await self._waits.note(read.facts)
        runs = [*read.runs, *fresh]
        return await self._judge(await self._waits.of_runs(runs)) if runs else []

    async def _heard_early(self, deliveries: Sequence[bytes]) -> list[Fact]:
        kept = await self._early.of(deliveries)
        facts = (fact_of_report(each) for reports in kept.values() for each in reports)
        return [fact for fact in facts if fact is not None]

    async def _shown_to(self, recipients: set[int]) -> list[Fact]:
        facts = []
        for watched in await self._waits.of_recipients(sorted(recipients)):
            wait = watched.wait
            items = await self._inbox.by_key(wait.recipient, [wait.run])
            facts += [fact_of_item(wait.run, item.state) for item in items]
        return facts

    async def _judge(self, found: Iterable[Watched]) -> list[Output]:
        now_ms = self._clock.now_ms()
        met: list[tuple[Watched, Claim]] = []
        vain: list[Watched] = []
        timed: list[tuple[Watched, int]] = []
        for each in found:
            wait = each.wait
            if not wait.unless:
                continue
            judgement = judge(wait.unless, each.facts)
            if judgement.stage is Stage.MET:
                met.append((each, _claim(each, judgement.at_ms)))
            elif judgement.stage is Stage.VAIN:
                vain.append(each)
            elif judgement.stage is Stage.RUNS and not wait.armed:
                timed.append((each, capped(judgement.at_ms + wait.for_ms, wait.expires_ms)))
        await self._arm(timed)
        ended = [*vain, *await self._win(met)]
        return _outputs(ended, now_ms)

    async def _win(self, met: Sequence[tuple[Watched, Claim]]) -> list[Watched]:
        """
        Take the rows of waits that are met; return those whose runs are to go on.

        Also where a cancel came first, which may have died when it had the row: the time of a wait
        that is met at once never runs, so no timer ends it. A repeat is told by its key.
        """
        if not met:
            return []
        standing = await self._claims.claim([claim for _, claim in met])
        moved = await asyncio.gather(
            *(self._take(row, claim) for row, (_, claim) in zip(standing, met, strict=True))
        )
        return [
            watched
            for row, (watched, _) in zip(moved, met, strict=True)
            if row.holder in {RECEIPT, CANCEL}
        ]

    async def _take(self, stands: Claim, wanted: Claim) -> Claim:
        if stands.state != State.DEFERRED:
            return stands
        return await self._claims.swap(stands, msgspec.structs.replace(wanted, epoch=1))

    async def _arm(self, timed: Sequence[tuple[Watched, int]]) -> None:
        if not timed:
            return
        await self._timers.claim_arm([_timer(each, due_ms) for each, due_ms in timed])
        await self._waits.mark_armed([(each.wait.run, each.wait.interval) for each, _ in timed])

    async def _commit(self, ends: dict[tuple[str, int], int], outputs: Sequence[Output]) -> None:
        sources = []
        for one in self._owned:
            end = ends.get((one.topic, one.partition), one.position)
            if end > one.committed:
                sources.append(
                    Source(GROUP, one.topic, one.partition, one.committed, end, one.epoch)
                )
        if sources or outputs:
            await self._log.commit(Step(sources, outputs))
        for one in self._owned:
            one.position = ends.get((one.topic, one.partition), one.position)
            one.committed = max(one.committed, one.position)
        self._in_hand = set()
        self._moved.set()


def _read(records: Iterable[Record | Poison]) -> _Read:
    read = _Read([], set(), set(), [])
    for record in records:
        if isinstance(record, Settled):
            fact = fact_of(record)
            if fact is not None:
                read.facts.append(fact)
                if fact.state and not record.receipt:
                    read.settled.append(fact.delivery)
        elif isinstance(record, StateChange):
            read.facts.extend(facts_of(record))
            if not record.keys:
                read.all_of.add(record.recipient)
    read.runs.update(notification_of(fact.delivery) for fact in read.facts)
    return read


def _key(watched: Watched) -> bytes:
    return interval_key(watched.wait.run, watched.wait.interval)


def _claim(watched: Watched, at_ms: int) -> Claim:
    wait = watched.wait
    cancel = (wait.cancellation_key, wait.event_ms)
    lane = wait.topic.removeprefix("events.")
    return Claim(_key(watched), RECEIPT, SATISFIED, 0, at_ms, *cancel, lane)


def _record(watched: Watched) -> Continue:
    record = decode(watched.wait.record)
    assert isinstance(record, Continue)
    return record


def _timer(watched: Watched, due_ms: int) -> Timer:
    wait = watched.wait
    key = _key(watched)
    record = msgspec.structs.replace(_record(watched), due_ms=due_ms)
    place = (wait.topic, wait.partition)
    return Timer(interval_timer(key), due_ms, *place, encode(record), key, "wait")


def _outputs(ended: Iterable[Watched], now_ms: int) -> list[Output]:
    gathered: dict[tuple[str, int], list[Continue]] = {}
    for each in ended:
        record = msgspec.structs.replace(_record(each), due_ms=now_ms, early=True)
        gathered.setdefault((each.wait.topic, each.wait.partition), []).append(record)
    return [Output(*place, records) for place, records in gathered.items()]
