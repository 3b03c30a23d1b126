"""One channel and lane: from hand-offs that are read to positions that are committed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import structlog

from tocsin.app.delivering.calling import Called, Calls
from tocsin.app.delivering.concluding import Conclude, Records
from tocsin.app.delivering.health import HealthDesk
from tocsin.app.delivering.histories import Histories
from tocsin.app.delivering.holding import Holding
from tocsin.app.delivering.in_hand import InHand
from tocsin.app.delivering.journal import Journal, Owned
from tocsin.app.delivering.preparing import PrepareStep
from tocsin.app.delivering.taking_over import TakenOver, take_over
from tocsin.app.delivering.turnstiles import Turnstiles, failed
from tocsin.app.delivering.unknown import Unknown
from tocsin.app.delivering.work import Ended, Work
from tocsin.app.pausing.gate import PauseGate
from tocsin.app.receipts.early import EarlyReceipts
from tocsin.domain.attempts import History, Standing
from tocsin.domain.delivery import DeliveryReason, State
from tocsin.domain.handoff_order import FOR_PROVIDER
from tocsin.domain.ids import show_delivery
from tocsin.domain.lanes import Lane
from tocsin.domain.records import Handoff, Retry, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.errors import Unavailable
from tocsin.ports.log import Batch, Log
from tocsin.ports.system import Clock

T = TypeVar("T")

_BATCH: Final = 500
_GATHER_S: Final = 0.01
"""Real time, since what it saves is work."""
_AGAIN_MS: Final = 200
_DONE: Final = frozenset({Standing.ENDED, Standing.SUPERSEDED})

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
    early: EarlyReceipts
    turnstiles: Turnstiles
    health: HealthDesk
    pauses: PauseGate
    in_flight_max: int
    read_ahead_max: int
    parked_max: int
    calls_max: int
    gone: Container[int] = frozenset()
    """Whom nothing may be sent to any more: asked right before each call."""


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
        self._in_hand = InHand()
        paused = partial(parts.pauses.stopped, channel, lane)
        gather = partial(asyncio.sleep, _GATHER_S)
        self._calls = Calls(parts.calls_max, paused, parts.gone, gather)
        self._holding = Holding(
            parts.turnstiles,
            parts.clock,
            held_max=max(1, parts.in_flight_max // 4),
            parked_max=parts.parked_max,
        )
        self._room = asyncio.Event()
        self._draining = False
        self._owned: Sequence[Owned] | None = None
        self._concluding = False

    def busy(self) -> bool:
        """Return whether something is under way, or can begin without time or a pause's end."""
        in_hand = self._in_hand
        calling = in_hand.under_way > len(self._holding) or self._concluding
        if self._owned is None or calling or self._holding.busy():
            return True
        if self._parts.pauses.stopped(self._channel, self._lane) is not None:
            return False
        waits_for_room = self._parts.in_flight_max - in_hand.under_way < self._batch_min()
        return (in_hand.ready and not waits_for_room) or self._behind(self._owned)

    def next_ms(self) -> int | None:
        """Return when time alone lets something of what is held go on."""
        return self._holding.next_ms()

    def _behind(self, owned: Sequence[Owned]) -> bool:
        end = self._parts.log.end
        unread = any(each.read < end(self._topic, each.partition) for each in owned)
        return unread and self._may_read(owned)

    def _may_read(self, owned: Sequence[Owned]) -> bool:
        return self._read_ahead_room(owned) >= max(1, self._parts.read_ahead_max // 4)

    def _read_ahead_room(self, owned: Sequence[Owned]) -> int:
        return self._parts.read_ahead_max - sum(len(each.window) for each in owned)

    def renewed(self, provider: str) -> None:
        """Try at once whether *provider* works, for it was made anew."""
        self._parts.turnstiles.renewed(provider, self._parts.clock.now_ms())
        self._holding.look_again()

    async def run(self) -> None:
        """Deliver until cancelled; raises `Fenced` when another has taken a partition over."""
        parts = self._parts
        group = self._topic
        now_ms = parts.clock.now_ms()
        over = await take_over(parts.log, parts.histories, group, self._topic, self._lane, now_ms)
        owned = [each.owned for each in over]
        self._owned = owned
        journal = Journal(group, self._topic, owned, parts.histories, parts.log.end, parts.clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(journal.run())
            tasks.create_task(self._read(over, owned))
            tasks.create_task(self._dispatch(journal, owned, tasks))
            tasks.create_task(self._conclude(journal))
            tasks.create_task(self._let_go())

    async def drain(self) -> None:
        """
        Begin nothing more; return when all that has begun has an outcome that is durable.

        What is in hand and was not begun is read again by whoever comes next.
        """
        self._draining = True
        while self._in_hand.under_way > len(self._holding):
            self._room.clear()
            await self._room.wait()

    def _going(self) -> bool:
        return not self._draining

    async def _read(self, over: Sequence[TakenOver], owned: Sequence[Owned]) -> None:
        """Take hand-offs in hand while there is room."""
        parts, log = self._parts, self._parts.log
        while self._going():
            await parts.pauses.handoffs_open(self._channel, self._lane)
            if not self._may_read(owned):
                self._room.clear()
                await self._room.wait()
                continue
            moved = False
            share = -(-self._read_ahead_room(owned) // len(owned))
            for each in over:
                at = each.owned.read
                partition = each.owned.partition
                batch = await self._patiently(
                    partial(log.read, self._topic, partition, at, records_max=share)
                )
                if not self._going():
                    return
                self._admit(each, batch)
                if batch.records:
                    each.owned.read, moved = batch.end, True
            if not moved:
                await log.wait({(self._topic, each.partition): each.read for each in owned})

    def _admit(self, over: TakenOver, batch: Batch) -> None:
        partition = over.owned.partition
        outcomes_end = self._parts.log.end(OUTCOMES, partition)
        for position, record in enumerate(batch.records, batch.position):
            over.begin(position, outcomes_end)
            match record:
                case Handoff():
                    history = over.history(record.delivery)
                    work = Work(partition, position, record, 0, history)
                case Retry():
                    handoff = record.handoff
                    work = Work(partition, position, handoff, record.attempts, History())
                    work.from_timer = True
                    self._holding.back(work.delivery)
                case _:
                    logger.error("deliver_poison", topic=self._topic, position=position)
                    over.owned.window.finish(position)
                    continue
            self._in_hand.admit(work)

    async def _dispatch(
        self, journal: Journal, owned: Sequence[Owned], tasks: asyncio.TaskGroup
    ) -> None:
        """Begin what is ready, a batch after the other, as many as may be under way."""
        in_hand = self._in_hand
        while self._going():
            room = self._parts.in_flight_max - in_hand.under_way
            if room < self._batch_min() or not in_hand.ready:
                in_hand.changed.clear()
                await in_hand.changed.wait()
                continue
            await self._parts.pauses.handoffs_open(self._channel, self._lane)
            works = in_hand.take(min(_BATCH, room))
            records = await self._patiently(partial(self._prepare, works, owned))
            stopped = [work for work in works if work.stopped]
            await journal.write(records, [(work.partition, work.position) for work in stopped])
            await self._release([show_delivery(work.delivery) for work in works if work.proved])
            self._finish(stopped)
            if stopped:
                # One may have been let through as a probe; the next is to be it then.
                self._holding.look_again()
            self._calls.begin([work for work in works if work.message is not None], tasks)
            self._hold([work for work in works if work.passed is None and not work.stopped])

    def _batch_min(self) -> int:
        """
        Return below how much room nothing more is begun.

        Calls end a few at a time. To look everything up anew for each few costs several times what
        it costs for hundreds, and with so many under way nobody waits for it.
        """
        return max(1, min(_BATCH, self._parts.in_flight_max // 4))

    async def _prepare(self, works: Sequence[Work], owned: Sequence[Owned]) -> Records:
        """Decide which calls are made, and return what must be durable before."""
        parts = self._parts
        for work in works:
            work.forget()
        await self._recall(works)
        now_ms = parts.clock.now_ms()
        records: Records = [*await parts.unknown.resolve(works, now_ms)]
        lined = {each.partition for each in owned if not each.order.idle}
        for work in [work for work in works if work.partition in lined]:
            self._line_up(work, owned, now_ms)
        await parts.prepare([work for work in works if not work.stopped], now_ms)
        self._give_back([work for work in works if work.stopped])
        self._holding.park(works, now_ms)
        ended = [work for work in works if work.ended is not None]
        self._count_parked(ended)
        records += await parts.conclude.ended(ended, now_ms)
        calling = [work for work in works if work.message is not None and not work.stopped]
        return records + parts.conclude.attempts(calling, [o.epoch for o in owned], now_ms)

    async def _recall(self, works: Sequence[Work]) -> None:
        """Let those that a timer brought back know what was tried; what has settled is done."""
        from_timers = [work.delivery for work in works if work.from_timer]
        histories = self._parts.histories
        found = await histories.again(from_timers, self._parts.clock.now_ms())
        histories.keep({w.handoff.delivery: w.history for w in works if not w.from_timer})
        for work in works:
            if work.from_timer:
                work.history = found.get(work.delivery, work.history)
            history = work.history
            # Of most nothing was tried before.
            if history.attempts or history.state:
                work.settled_before = history.standing(work.attempts_before) in _DONE

    def _line_up(self, work: Work, owned: Sequence[Owned], now_ms: int) -> None:
        """Let *work* wait behind an earlier one to its address that is to be tried again."""
        order = owned[work.partition].order
        if work.history.ended:
            # A receipt has settled it, past this lane.
            order.leave(work.delivery)
        if not work.stopped:
            until_ms = order.park_until(work.delivery, now_ms)
            if until_ms is not None:
                reason = DeliveryReason.BEHIND_ANOTHER
                work.ended = Ended(State.DEFERRED, reason, until_ms=until_ms)
            work.overtakes = order.passed(work.delivery, now_ms)

    def _give_back(self, works: Sequence[Work]) -> None:
        """Let go of what *works* were let through with: one may have been the only probe."""
        self._parts.turnstiles.give_back([w.passed for w in works if w.passed is not None])
        for work in works:
            work.passed = None

    def _hold(self, works: Sequence[Work]) -> None:
        for work in works:
            assert work.way is not None
            self._parts.turnstiles.counts.waited[work.way.provider, self._lane] += 1
        self._holding.hold(works)
        self._room.set()

    def _count_parked(self, works: Sequence[Work]) -> None:
        counts = self._parts.turnstiles.counts
        for work in works:
            ended = work.ended
            if ended is not None and ended.reason in FOR_PROVIDER:
                counts.parked[self._channel, self._lane, ended.reason] += 1

    async def _conclude(self, journal: Journal) -> None:
        """Write down how calls ended: all that have ended meanwhile at once."""
        while True:
            calls = await self._calls.ended()
            self._concluding = True
            await self._concluded(journal, calls)
            self._concluding = False

    async def _concluded(self, journal: Journal, calls: Sequence[Called]) -> None:
        conclude, clock, turnstiles = (
            self._parts.conclude,
            self._parts.clock,
            self._parts.turnstiles,
        )
        now_ms = clock.now_ms()
        made = [called for called in calls if called.made]
        for called in made:
            turnstiles.tell(called.passed, called.addresses, called.outcomes, now_ms)
        if len(made) < len(calls):
            unmade = [called for called in calls if not called.made]
            turnstiles.give_back([called.passed for called in unmade for _ in called.works])
        self._hear(made, now_ms)
        found = await self._patiently(lambda: conclude.outcomes(calls, clock.now_ms()))
        done = [(work.partition, work.position) for work in found.finished]
        await journal.write(found.records, done)
        self._fail_over(found.again)
        self._finish(found.finished)
        self._holding.look_again()
        # Looked for after the outcomes are durable: who keeps one later looks for an outcome.
        works = [work for called in calls for work in called.works]
        await self._release([each.message.reference for each in works if each.message is not None])

    async def _release(self, references: Sequence[str]) -> None:
        if references:
            await self._patiently(lambda: self._parts.early.release(references))

    def _hear(self, made: Sequence[Called], now_ms: int) -> None:
        """Let those hear of the answers who watch how providers do."""
        health = self._parts.health
        by_provider: dict[str, list[Called]] = {}
        for called in made:
            by_provider.setdefault(called.wired.name, []).append(called)
        for name, own in by_provider.items():
            wired = own[0].wired
            wired.answers.note([each for called in own for each in called.outcomes], now_ms)
            if not health.watches(name):
                continue
            for called in own:
                slow = called.took_ms >= wired.settings.slow_after_ms
                health.tell(name, slow=slow, failed=failed(called.outcomes))

    def _fail_over(self, again: Sequence[tuple[Work, Settled]]) -> None:
        counts = self._parts.turnstiles.counts
        for work, record in again:
            work.note(record)
            counts.failovers[record.provider, self._lane] += 1
        self._in_hand.again([work for work, _ in again])

    async def _let_go(self) -> None:
        """Give those that wait for a provider their turn when it comes."""
        while True:
            self._in_hand.again(self._holding.let_go())
            await self._holding.news()

    async def _patiently(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Repeat what changes nothing twice, until the store is there."""
        while True:
            try:
                return await operation()
            except Unavailable as error:
                logger.warning("deliver_waits", topic=self._topic, code=error.code)
                await self._parts.clock.pause(_AGAIN_MS)

    def _finish(self, works: Sequence[Work]) -> None:
        """Let the next of each line go."""
        self._in_hand.finish(works)
        if works:
            self._room.set()
