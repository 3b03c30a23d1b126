"""What must wait, and what something else may race for: timers and claim rows."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
import xxhash

from tocsin.app.routing.inputs import Input, Only, Run
from tocsin.domain.channels import INBOX
from tocsin.domain.decision import Decision, PlannedNotification
from tocsin.domain.delivery import State
from tocsin.domain.ids import EventKey, delivery_key, fanout_delivery, notification_key
from tocsin.domain.lanes import Lane
from tocsin.domain.pauses import KIND, pause_of, queue_of
from tocsin.domain.reasons import Reason, Verdict
from tocsin.domain.records import Event, PlannedRun, Release, encode
from tocsin.ports.state import Claim, Claims, Timer, Timers

ROUTE: Final = "route"
CANCEL: Final = "cancel"
FANOUT: Final = "fanout"
"""The state of the row that stands for all of a fan-out."""


def timer_key(delivery: bytes, due_ms: int, occasion: bytes = b"") -> bytes:
    """
    Return the id of the timer that holds *delivery* until *due_ms*, and of what it puts on the log.

    *occasion* tells holds apart that end at the same time. For a release it is the timer that was
    released before, empty for the first: a clock that was set back may hold a delivery until the
    very instant of the timer that has just fired.
    """
    due = due_ms.to_bytes(8, "big")
    # It begins with the time, so that rows which come due together lie together.
    return due[2:] + xxhash.xxh3_128_digest(delivery + due + occasion)[:10]


class Held:
    """The timers that a batch arms."""

    def __init__(self, lane: Lane, now_ms: int) -> None:
        self.lane = lane
        self.now_ms = now_ms
        self.timers: list[Timer] = []

    def note(self, entry: Input, run: PlannedRun, only: Only | None = None) -> None:
        """
        Arm a timer for each delivery of *run* that is deferred.

        *only* says what was decided anew: what waits once more keeps the profile version by which
        it was planned, since its first plan covers the addresses of that one.
        """
        event = entry.event
        assert event is not None
        for note in run.notifications:
            for decision in note.decisions:
                if decision.verdict is Verdict.DEFER:
                    planned = note.profile_version
                    if only is not None and decision.address == only.address:
                        planned = only.profile_version
                    self.timers.append(self._timer(event, entry, run, note, decision, planned))

    def _timer(
        self,
        event: Event,
        entry: Input,
        run: PlannedRun,
        note: PlannedNotification,
        decision: Decision,
        profile_version: int,
    ) -> Timer:
        notification = notification_key(EventKey(event.key), run.index, note.recipient)
        generation = _generation(entry)
        delivery = delivery_key(notification, decision.step, decision.address, generation)
        due_ms = decision.until_ms
        assert due_ms is not None
        key = timer_key(delivery, due_ms, _released(entry))
        record = Release(
            key=key,
            due_ms=due_ms,
            event_lane=self.lane,
            event_partition=entry.partition,
            event_position=entry.event_position,
            workflow_index=run.index,
            recipient=note.recipient,
            step=decision.step,
            address=decision.address,
            trace=event.trace,
            profile_version=profile_version,
            generation=generation,
        )
        topic = f"events.{self.lane}"
        kind = "hold"
        if decision.reason is Reason.PAUSED:
            kind = KIND + queue_of(pause_of(decision.rule), handed=False)
        return Timer(
            key, due_ms, topic, entry.partition, encode(record), delivery, kind, decision.reason
        )


class HoldStep:
    """Writes timers and claim rows."""

    def __init__(self, timers: Timers, claims: Claims) -> None:
        self._timers = timers
        self._claims = claims

    async def arm(self, held: Held) -> None:
        """Arm the batch's timers, in one call."""
        if held.timers:
            await self._timers.claim_arm(held.timers)

    async def keep_waiting(self, entries: Sequence[Input]) -> None:
        """
        Decide as before where a decision that did not become durable left its timer behind.

        *entries* may have been decided before. A timer that was armed then fires, whatever is
        decided now; were it not waited for, the delivery would be made now and by its release.
        """
        entries = [entry for entry in entries if entry.event is not None]
        deliveries = [each for entry in entries for each in _planned(entry)]
        if not deliveries:
            return
        armed: defaultdict[bytes, list[Timer]] = defaultdict(list)
        for timer in await self._timers.known(deliveries):
            armed[timer.about].append(timer)
        for entry in entries if armed else ():
            for run in entry.runs:
                _wait_again(entry, run, armed)

    async def claim(self, entries: Sequence[Input], held: Held) -> None:
        """
        Take the rows of cancellable events' deliveries, and yield where a cancel came first.

        One write for the whole batch. Only such events pay for rows: nothing else races for what
        route has decided. A fan-out has one row for all of it.
        """
        wanted: list[Claim] = []
        runs: list[tuple[Run, list[tuple[int, int]]]] = []
        for entry in entries:
            event = entry.event
            if event is None or entry.repeat or event.cancellation_key is None:
                continue
            for run in entry.runs:
                assert run.planned is not None
                rows = dict(_rows(event, run.planned, held, _generation(entry)))
                wanted += rows.values()
                runs.append((run, list(rows)))
        if not wanted:
            return
        standing = await self._claims.claim(wanted)
        moved = iter(await asyncio.gather(*map(self._move, standing, wanted)))
        for run, places in runs:
            lost = {place for place in places if next(moved).holder == CANCEL}
            assert run.planned is not None
            run.planned = _without(run.planned, lost)

    async def _move(self, stands: Claim, wanted: Claim) -> Claim:
        """A delivery whose hold ended has a row already: what was decided anew is its state now."""
        if stands.holder != ROUTE or stands.state == wanted.state:
            return stands
        new = msgspec.structs.replace(wanted, epoch=stands.epoch + 1)
        return await self._claims.swap(stands, new)


def _released(entry: Input) -> bytes:
    return entry.record.key if isinstance(entry.record, Release) else b""


def _generation(entry: Input) -> int:
    return entry.record.generation if isinstance(entry.record, Release) else 0


def _planned(entry: Input) -> Iterator[bytes]:
    """Yield every delivery that is decided of *entry*."""
    assert entry.event is not None
    for run in entry.runs:
        for note in run.planned.notifications if run.planned is not None else ():
            for decision in note.decisions:
                yield _delivery(entry, run, note, decision)


def _delivery(entry: Input, run: Run, note: PlannedNotification, decision: Decision) -> bytes:
    assert entry.event is not None
    notification = notification_key(EventKey(entry.event.key), run.index, note.recipient)
    return delivery_key(notification, decision.step, decision.address, _generation(entry))


def _wait_again(entry: Input, run: Run, armed: Mapping[bytes, Sequence[Timer]]) -> None:
    """Defer those deliveries of *run* that have a timer which this very input armed."""
    assert entry.event is not None
    if run.planned is None:
        return
    notes = []
    for note in run.planned.notifications:
        decisions = list(note.decisions)
        for place, decision in enumerate(decisions):
            delivery = _delivery(entry, run, note, decision)
            for timer in armed.get(delivery, ()):
                if timer.key == timer_key(delivery, timer.due_ms, _released(entry)):
                    decisions[place] = _deferred(decision, timer)
                    run.waits = True
        notes.append(msgspec.structs.replace(note, decisions=tuple(decisions)))
    run.planned = msgspec.structs.replace(run.planned, notifications=tuple(notes))


def _deferred(decision: Decision, timer: Timer) -> Decision:
    return Decision(
        decision.step,
        decision.channel,
        decision.address,
        Verdict.DEFER,
        Reason(timer.reason),
        timer.kind.removeprefix(KIND) if timer.kind.startswith(KIND) else "timer",
        timer.due_ms,
    )


def _rows(
    event: Event, run: PlannedRun, held: Held, generation: int
) -> Iterator[tuple[tuple[int, int], Claim]]:
    """
    Yield (place in the run, row) for what is to be sent or waits, or was caught by a cancel.

    What was caught has a row only so that the cancel can count it.
    """

    def row(delivery: bytes, state: str, channel: str) -> Claim:
        cancel = (event.cancellation_key, event.time_ms)
        holder = CANCEL if state == State.CANCELLED else ROUTE
        return Claim(delivery, holder, state, 0, held.now_ms, *cancel, held.lane, channel)

    for n, note in enumerate(run.notifications):
        notification = notification_key(EventKey(event.key), run.index, note.recipient)
        for d, decision in enumerate(note.decisions):
            if decision.verdict in (Verdict.SEND, Verdict.DEFER, Verdict.CANCEL):
                delivery = delivery_key(notification, decision.step, decision.address, generation)
                yield (n, d), row(delivery, _state(decision), decision.channel)
    if run.fanout is not None:
        yield (-1, -1), row(fanout_delivery(run.fanout), FANOUT, "")


def _state(decision: Decision) -> str:
    if decision.verdict is Verdict.DEFER:
        return State.DEFERRED
    if decision.verdict is Verdict.CANCEL:
        return State.CANCELLED
    return State.SENT if decision.channel == INBOX else State.PENDING


def _without(run: PlannedRun, lost: set[tuple[int, int]]) -> PlannedRun:
    if not lost:
        return run
    notes = []
    for n, note in enumerate(run.notifications):
        decisions = tuple(
            cancelled(each) if (n, d) in lost else each for d, each in enumerate(note.decisions)
        )
        notes.append(msgspec.structs.replace(note, decisions=decisions))
    return msgspec.structs.replace(run, notifications=tuple(notes))


def cancelled(decision: Decision) -> Decision:
    """Return *decision* as it ends when a cancel was first."""
    return Decision(
        decision.step,
        decision.channel,
        decision.address,
        Verdict.CANCEL,
        Reason.CANCELLED,
        "cancel",
    )
