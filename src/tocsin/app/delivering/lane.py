"""One channel and lane: from hand-offs that are read to positions that are committed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import structlog

from tocsin.app.delivering.calling import call, calls_of
from tocsin.app.delivering.concluding import Conclude, Records
from tocsin.app.delivering.histories import Histories
from tocsin.app.delivering.journal import Journal, Owned
from tocsin.app.delivering.preparing import PrepareStep
from tocsin.app.delivering.providers import Wired
from tocsin.app.delivering.taking_over import TakenOver, take_over
from tocsin.app.delivering.unknown import Unknown
from tocsin.app.delivering.work import Ended, Work
from tocsin.app.pausing.gate import PauseGate
from tocsin.domain.attempts import Standing
from tocsin.domain.delivery import DeliveryReason, State
from tocsin.domain.handoff_order import line_of
from tocsin.domain.lanes import Lane
from tocsin.domain.pauses import Pause
from tocsin.domain.records import Handoff, Retry
from tocsin.errors import Unavailable
from tocsin.ports.log import Log
from tocsin.ports.system import Clock

T = TypeVar("T")

_BATCH: Final = 500
_AGAIN_MS: Final = 200

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LaneParts:
    """What a lane is made of."""

    log: Log
    clock: Clock
    histories: Histories
    prepare: PrepareStep
    conclude: Conclude
    unknown: Unknown
    pauses: PauseGate
    in_flight_max: int
    calls_max: int


class LaneDelivery:
    """
    Reads ``deliver.<channel>.<lane>``, calls providers, writes ``outcomes``.

    Many deliveries are in hand at once, of each address one at a time, in the order of the log. A
    position is committed when it and all below it have an outcome, or a timer, that is durable.
    """

    def __init__(self, channel: str, lane: Lane, parts: LaneParts) -> None:
        self._channel = channel
        self._lane = lane
        self._topic = f"deliver.{channel}.{lane}"
        self._parts = parts
        self._lines: dict[bytes, deque[Work]] = {}
        self._ready: deque[Work] = deque()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._calls = asyncio.Semaphore(parts.calls_max)
        self._draining = False
        self._begun = 0
        """How many in hand were taken up: a pause lets those come to their end."""

    async def run(self) -> None:
        """Deliver until cancelled; raises `Fenced` when another has taken a partition over."""
        parts = self._parts
        group = self._topic
        over = await take_over(parts.log, group, self._topic, self._lane)
        owned = [each.owned for each in over]
        journal = Journal(group, self._topic, owned, parts.histories, parts.log.end, parts.clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(journal.run())
            tasks.create_task(self._read(over, owned))
            tasks.create_task(self._dispatch(journal, owned, tasks))

    async def drain(self) -> None:
        """Take nothing more in hand; return when all that is has an outcome that is durable."""
        self._draining = True
        while self._begun or (self._lines and not self._paused()):
            self._room.clear()
            await self._room.wait()

    def _paused(self) -> Pause | None:
        return self._parts.pauses.stopped(self._channel, self._lane)

    def _reading(self) -> bool:
        return not self._draining

    async def _read(self, over: Sequence[TakenOver], owned: Sequence[Owned]) -> None:
        """Take hand-offs in hand while there is room."""
        parts, log = self._parts, self._parts.log
        while self._reading():
            await parts.pauses.handoffs_open(self._channel, self._lane)
            room = parts.in_flight_max - sum(len(each.window) for each in owned)
            if room <= 0:
                self._room.clear()
                await self._room.wait()
                continue
            moved = False
            share = -(-room // len(owned))
            for each in over:
                at = each.owned.read
                partition = each.owned.partition
                batch = await self._patiently(
                    partial(log.read, self._topic, partition, at, records_max=share)
                )
                if not self._reading():
                    return
                for position, record in enumerate(batch.records, batch.position):
                    self._admit(each, position, record)
                if batch.records:
                    each.owned.read, moved = batch.end, True
            if not moved:
                await log.wait({(self._topic, each.partition): each.read for each in owned})

    def _admit(self, over: TakenOver, position: int, record: object) -> None:
        over.begin(position, self._parts.log)
        match record:
            case Handoff():
                work = Work(over.owned.partition, position, record, 0)
                work.history = over.history(record.delivery)
            case Retry():
                work = Work(over.owned.partition, position, record.handoff, record.attempts)
                work.from_timer = True
            case _:
                logger.error("deliver_poison", topic=self._topic, position=position)
                over.owned.window.finish(position)
                return
        line = self._lines.setdefault(line_of(work.delivery), deque())
        line.append(work)
        if len(line) == 1:
            self._ready.append(work)
            self._work.set()

    async def _dispatch(
        self, journal: Journal, owned: Sequence[Owned], tasks: asyncio.TaskGroup
    ) -> None:
        while True:
            await self._work.wait()
            await self._parts.pauses.handoffs_open(self._channel, self._lane)
            self._work.clear()
            while self._ready:
                count = min(_BATCH, len(self._ready))
                works = [self._ready.popleft() for _ in range(count)]
                self._begun += count
                tasks.create_task(self._deliver(works, journal, owned))

    async def _deliver(
        self, works: Sequence[Work], journal: Journal, owned: Sequence[Owned]
    ) -> None:
        """Bring *works* to their outcomes."""
        records = await self._patiently(lambda: self._prepare(works, owned))
        stopped = [work for work in works if work.stopped]
        await journal.write(records, [(work.partition, work.position) for work in stopped])
        self._release(stopped)
        async with asyncio.TaskGroup() as calls:
            for wired, some in calls_of([work for work in works if not work.stopped]):
                calls.create_task(self._call(wired, some, journal))

    async def _prepare(self, works: Sequence[Work], owned: Sequence[Owned]) -> Records:
        """Decide which calls are made, and return what must be durable before."""
        parts = self._parts
        for work in works:
            work.forget()
        await self._recall(works)
        now_ms = parts.clock.now_ms()
        records: Records = [*await parts.unknown.resolve(works, now_ms)]
        for work in works:
            if work.history.ended:
                # A receipt has settled it, past this lane.
                owned[work.partition].order.leave(work.delivery)
            self._park(work, owned, now_ms)
        await parts.prepare([work for work in works if not work.stopped], now_ms)
        records += await parts.conclude.ended([w for w in works if w.ended is not None], now_ms)
        calling = [work for work in works if not work.stopped]
        return records + parts.conclude.attempts(calling, [o.epoch for o in owned], now_ms)

    async def _recall(self, works: Sequence[Work]) -> None:
        """Let those that a timer brought back know what was tried; what has settled is done."""
        found = await self._parts.histories.of(w.delivery for w in works if w.from_timer)
        for work in works:
            work.history = found.get(work.delivery, work.history)
            standing = work.history.standing(work.attempts_before)
            work.settled_before = standing in {Standing.ENDED, Standing.SUPERSEDED}

    def _park(self, work: Work, owned: Sequence[Owned], now_ms: int) -> None:
        if not work.stopped:
            until_ms = owned[work.partition].order.park_until(work.delivery, now_ms)
            if until_ms is not None:
                reason = DeliveryReason.BEHIND_ANOTHER
                work.ended = Ended(State.DEFERRED, reason, until_ms=until_ms)

    async def _call(self, wired: Wired, works: Sequence[Work], journal: Journal) -> None:
        conclude, clock = self._parts.conclude, self._parts.clock
        async with self._calls:
            pause = self._paused()
            outcomes = await call(wired, works) if pause is None else ()
        records = await self._patiently(
            lambda: (
                conclude.outcomes(works, outcomes, clock.now_ms())
                if pause is None
                else conclude.parked(works, pause, clock.now_ms())
            )
        )
        await journal.write(records, [(work.partition, work.position) for work in works])
        self._release(works)
        # Looked for after the outcomes are durable: who keeps one later looks for an outcome.
        receipts = await self._patiently(lambda: conclude.receipts(works))
        await self._parts.histories.add(receipts)

    async def _patiently(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Repeat what changes nothing twice, until the store is there."""
        while True:
            try:
                return await operation()
            except Unavailable as error:
                logger.warning("deliver_waits", topic=self._topic, code=error.code)
                await self._parts.clock.pause(_AGAIN_MS)

    def _release(self, works: Sequence[Work]) -> None:
        """Let the next of each line go."""
        for work in works:
            name = line_of(work.delivery)
            line = self._lines[name]
            line.popleft()
            self._begun -= 1
            if line:
                self._ready.append(line[0])
            else:
                del self._lines[name]
        if works:
            self._work.set()
            self._room.set()
