"""Runs that go on later: what ends their intervals, and what is armed for that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import xxhash

from tocsin.app.routing.held_ends import tell_waits
from tocsin.app.routing.holding import CANCEL, ROUTE
from tocsin.app.routing.inputs import TIMER, Input, Resting, Run
from tocsin.domain.channels import INBOX
from tocsin.domain.delivery import State
from tocsin.domain.ids import (
    EventKey,
    NotificationKey,
    delivery_key,
    fanout_key,
    notification_key,
)
from tocsin.domain.intervals import SCHEDULED, Interval, interval_key
from tocsin.domain.lanes import Lane
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import Continue, Event, PlannedRun, Record, encode
from tocsin.domain.waiting import Fact
from tocsin.domain.workflow import Workflow
from tocsin.ports.state import Claim, Claims, Timer, Timers, Wait, Waits

CONTINUED: Final = "continued"
"""The state of the claim row of an interval whose time is over."""


def interval_timer(key: bytes) -> bytes:
    """
    Return the id of the timer, and of the record, that ends the interval with that key.

    It begins with the time of acceptance, so that rows which are armed or fired together lie
    together: each on a page of its own would cost ten times as much.
    """
    return key[:6] + xxhash.xxh3_128_digest(key)[:10]


class _Armed(NamedTuple):
    """One interval that begins."""

    key: bytes
    timer: Timer | None
    """None: its time does not run yet."""
    wait: Wait | None
    facts: Sequence[Fact]
    claim: Claim | None


class IntervalsStep:
    """
    Ends and begins intervals.

    An interval that something may race for has a claim row, and whoever comes first to it has ended
    the interval: the timer by way of `resolve`, a receipt, a cancel. Only what they cancel or look at
    has rows: a plain delay is a timer and nothing else.
    """

    def __init__(self, timers: Timers, claims: Claims, waits: Waits) -> None:
        self._timers = timers
        self._claims = claims
        self._waits = waits

    async def resolve(self, inputs: Sequence[Input], lane: Lane, now_ms: int) -> None:
        """Let each interval that is over know what has ended it. Without one it costs no call."""
        over = [e for e in inputs if type(e.record) is Continue and _ends(e)]
        if not over:
            return
        early = [e.record.key for e in over if isinstance(e.record, Continue) and e.record.early]
        if early:
            await self._timers.disarm(early)
        racing = [entry for entry in over if _is_raced_for(entry)]
        if not racing:
            return
        wanted = [_claim(entry, TIMER, CONTINUED, lane, now_ms) for entry in racing]
        standing = await self._claims.claim(wanted)
        moved = await asyncio.gather(*map(self._end, standing, wanted))
        for entry, row in zip(racing, moved, strict=True):
            only = entry.runs[0].only
            assert only is not None
            assert only.over is not None
            by = only.over._replace(by=row.holder, at_ms=row.at_ms)
            entry.runs[0].only = only._replace(over=by)

    async def _end(self, stands: Claim, wanted: Claim) -> Claim:
        if stands.holder != ROUTE:
            return stands
        return await self._claims.swap(stands, msgspec.structs.replace(wanted, epoch=1))

    async def arm(self, inputs: Sequence[Input], lane: Lane, now_ms: int) -> None:
        """
        Begin the intervals of runs that were decided up to one. Without one it costs no call.

        Those that wait for what was held and has ended are told so.
        """
        await tell_waits(inputs, self._waits, now_ms)
        armed: list[_Armed] = []
        runs: list[bytes] = []
        for entry in inputs:
            for run in entry.runs:
                if run.planned is not None and run.planned.waits:
                    armed.extend(_begun_of(entry, run, lane, now_ms))
            if type(entry.record) is Continue and (over := _run_over(entry)) is not None:
                runs.append(over)
        if armed:
            await self._write(armed, now_ms)
        kept = {each.wait.run for each in armed if each.wait is not None}
        dropped = [run for run in runs if run not in kept]
        if dropped:
            await self._waits.claim_drop(dropped)

    async def _write(self, armed: Sequence[_Armed], now_ms: int) -> None:
        claims = [each.claim for each in armed if each.claim is not None]
        caught = {
            row.delivery
            for row in (await self._claims.claim(claims) if claims else ())
            if row.holder == CANCEL
        }
        waits = [each.wait for each in armed if each.wait is not None]
        if waits:
            await self._waits.claim_put(waits, [fact for each in armed for fact in each.facts])
        timers = [_at_once(each, now_ms) if each.key in caught else each.timer for each in armed]
        await self._timers.claim_arm([timer for timer in timers if timer is not None])


def _ends(entry: Input) -> bool:
    record = entry.record
    return isinstance(record, Continue) and not entry.repeat and entry.event is not None


def _is_raced_for(entry: Input) -> bool:
    record, event = entry.record, entry.event
    assert isinstance(record, Continue)
    assert event is not None
    if record.interval == SCHEDULED:
        return False
    watched = entry.runs[0].workflow.intervals[record.interval].unless is not None
    return watched or event.cancellation_key is not None


def _run_over(entry: Input) -> bytes | None:
    """Return the run of an interval that is over, whose rows go unless it waits again."""
    record, event = entry.record, entry.event
    if not _ends(entry) or not isinstance(record, Continue) or record.interval == SCHEDULED:
        return None
    assert event is not None
    if not entry.runs[0].workflow.watches:
        return None
    return notification_key(EventKey(event.key), record.workflow_index, record.recipient)


def _claim(entry: Input, holder: str, state: str, lane: Lane, now_ms: int) -> Claim:
    record, event = entry.record, entry.event
    assert isinstance(record, Continue)
    assert event is not None
    note = notification_key(EventKey(event.key), record.workflow_index, record.recipient)
    cancel = (event.cancellation_key, event.time_ms)
    return Claim(interval_key(note, record.interval), holder, state, 0, now_ms, *cancel, lane)


def _begun_of(entry: Input, run: Run, lane: Lane, now_ms: int) -> Iterator[_Armed]:
    event = entry.event
    assert event is not None
    assert run.planned is not None
    if run.planned.outcome is Outcome.SCHEDULED:
        yield _scheduled(entry, event, run, lane)
    for resting in run.resting or ():
        yield _Begun(entry, event, run, resting, lane, now_ms).armed()


def _scheduled(entry: Input, event: Event, run: Run, lane: Lane) -> _Armed:
    assert event.send_ms is not None
    key = interval_key(fanout_key(event.key, run.index), SCHEDULED)
    record = _record(entry, event, run, lane, key, event.send_ms)
    timer = _timer(entry, lane, key, event.send_ms, record, "schedule")
    return _Armed(key, timer, None, (), _row(event, key, lane, event.accepted_ms))


def _record(entry: Input, event: Event, run: Run, lane: Lane, key: bytes, due_ms: int) -> Continue:
    return Continue(
        key=interval_timer(key),
        due_ms=due_ms,
        event_lane=lane,
        event_partition=entry.partition,
        event_position=entry.event_position,
        workflow_index=run.index,
        recipient=0,
        interval=SCHEDULED,
        trace=event.trace,
    )


def _timer(entry: Input, lane: Lane, key: bytes, due_ms: int, record: Record, kind: str) -> Timer:
    topic = f"events.{lane}"
    timer = interval_timer(key)
    return Timer(timer, due_ms, topic, entry.partition, encode(record), key, kind)


class _Begun(NamedTuple):
    """One run that reached an interval."""

    entry: Input
    event: Event
    run: Run
    resting: Resting
    lane: Lane
    now_ms: int

    def armed(self) -> _Armed:
        """Return what is written for it."""
        event, resting = self.event, self.resting
        interval = resting.interval
        note = notification_key(EventKey(event.key), self.run.index, resting.recipient)
        key = interval_key(note, interval.number)
        due_ms = self._due_ms(interval)
        record = msgspec.structs.replace(
            _record(self.entry, event, self.run, self.lane, key, due_ms or self.now_ms),
            recipient=resting.recipient,
            interval=interval.number,
            made=resting.made,
        )
        kind = "delay" if interval.unless is None else "wait"
        timer = None
        if due_ms is not None:
            timer = _timer(self.entry, self.lane, key, due_ms, record, kind)
        facts = self._facts(note)
        wait = None
        if facts or self._watched(interval):
            wait = self._wait(note, interval, record, armed=timer is not None)
        return _Armed(key, timer, wait, facts, _row(event, key, self.lane, self.now_ms))

    def _watched(self, interval: Interval) -> list[tuple[int, int]]:
        """Return what the wait looks at."""
        return [each for each in self.resting.made if each[0] in interval.of]

    def _due_ms(self, interval: Interval) -> int | None:
        """Return when the interval ends by itself; None while its time does not run yet."""
        watched = self._watched(interval)
        if interval.unless is not None and not watched:
            return self.now_ms
        shown = all(self._is_inbox(step) for step, _ in watched)
        if interval.unless is not None and not (shown and self.resting.fresh.issuperset(watched)):
            return None
        return capped(self.now_ms + interval.for_ms, self._expires_ms)

    def _is_inbox(self, step: int) -> bool:
        return self.run.workflow.steps[step].channel == INBOX

    @property
    def _expires_ms(self) -> int | None:
        assert self.run.planned is not None
        return self.run.planned.expires_ms

    def _facts(self, note: NotificationKey) -> list[Fact]:
        """
        Return what is known of the deliveries that this wait or one that comes later looks at.

        The inbox has settled when it was routed.
        """
        workflow: Workflow = self.run.workflow
        ahead = {
            step
            for interval in workflow.intervals[self.resting.interval.number :]
            for step in interval.of
        }
        facts = []
        for step, address in self.resting.made:
            if step in ahead:
                delivery = delivery_key(note, step, address)
                shown = Fact(delivery, State.SENT, self.now_ms, shown=True)
                facts.append(shown if self._is_inbox(step) else Fact(delivery))
        return facts

    def _wait(
        self, note: NotificationKey, interval: Interval, record: Continue, *, armed: bool
    ) -> Wait:
        return Wait(
            run=note,
            recipient=self.resting.recipient,
            interval=interval.number,
            unless=interval.unless or "",
            for_ms=interval.for_ms,
            topic=f"events.{self.lane}",
            partition=self.entry.partition,
            record=encode(record),
            watched=tuple(
                delivery_key(note, step, address) for step, address in self._watched(interval)
            ),
            expires_ms=self._expires_ms,
            cancellation_key=self.event.cancellation_key,
            event_ms=self.event.time_ms,
            armed=armed,
        )


def _row(event: Event, key: bytes, lane: Lane, now_ms: int) -> Claim | None:
    """Return the row by which a cancel finds the interval."""
    if event.cancellation_key is None:
        return None
    cancel = (event.cancellation_key, event.time_ms)
    return Claim(key, ROUTE, State.DEFERRED, 0, now_ms, *cancel, lane)


def capped(due_ms: int, expires_ms: int | None) -> int:
    """Return when an interval ends at the latest: what has expired by then is told so at once."""
    return due_ms if expires_ms is None else min(due_ms, expires_ms)


def _at_once(armed: _Armed, now_ms: int) -> Timer | None:
    """Return the timer of an interval that a cancel came to before it began."""
    if armed.timer is None:
        assert armed.wait is not None
        wait = armed.wait
        timer = interval_timer(armed.key)
        place = (wait.topic, wait.partition)
        return Timer(timer, now_ms, *place, wait.record, armed.key, "wait")
    return msgspec.structs.replace(armed.timer, due_ms=now_ms)


def scheduled_run(run: Run) -> PlannedRun:
    """Return the plan of a run that is to begin later."""
    workflow = run.workflow
    return PlannedRun(
        workflow.key,
        workflow.version,
        run.index,
        outcome=Outcome.SCHEDULED,
        category=workflow.category,
        waits=((0, SCHEDULED),),
    )
