"""What must wait, and what something else may race for: timers and claim rows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import xxhash

from tocsin.app.routing.inputs import Input
from tocsin.domain.decision import Decision, PlannedNotification
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.lanes import Lane
from tocsin.domain.reasons import Reason, Verdict
from tocsin.domain.records import Event, PlannedRun, Release, encode
from tocsin.ports.state import Claim, Claims, Timer, Timers

ROUTE = "route"
CANCEL = "cancel"


def timer_key(delivery: bytes, due_ms: int) -> bytes:
    """Return the id of the timer that holds *delivery* until *due_ms*, and of its release."""
    return xxhash.xxh3_128_digest(delivery + due_ms.to_bytes(8, "big"))


class Held:
    """The timers that a batch arms."""

    def __init__(self, lane: Lane, now_ms: int) -> None:
        self.lane = lane
        self.now_ms = now_ms
        self.timers: list[Timer] = []

    def note(self, entry: Input, run: PlannedRun) -> None:
        """Arm a timer for each delivery of *run* that is deferred."""
        event = entry.event
        assert event is not None
        for note in run.notifications:
            for decision in note.decisions:
                if decision.verdict is Verdict.DEFER:
                    self.timers.append(self._timer(event, entry, run, note, decision))

    def _timer(
        self,
        event: Event,
        entry: Input,
        run: PlannedRun,
        note: PlannedNotification,
        decision: Decision,
    ) -> Timer:
        notification = notification_key(EventKey(event.key), run.index, note.recipient)
        delivery = delivery_key(notification, decision.step, decision.address)
        due_ms = decision.until_ms
        assert due_ms is not None
        key = timer_key(delivery, due_ms)
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
        )
        topic = f"events.{self.lane}"
        return Timer(
            key, due_ms, topic, entry.partition, encode(record), delivery, "hold", decision.reason
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

    async def claim(self, event: Event, run: PlannedRun, held: Held) -> PlannedRun:
        """
        Take the rows of a cancellable event's deliveries, and yield where a cancel came first.

        Only such events pay for rows: nothing else races for what route has decided.
        """
        places: list[tuple[int, int]] = []
        rows: list[Claim] = []
        for n, note in enumerate(run.notifications):
            notification = notification_key(EventKey(event.key), run.index, note.recipient)
            for d, decision in enumerate(note.decisions):
                if decision.verdict in (Verdict.SEND, Verdict.DEFER):
                    delivery = delivery_key(notification, decision.step, decision.address)
                    state = "deferred" if decision.verdict is Verdict.DEFER else "sent"
                    cancel = (event.cancellation_key, event.time_ms)
                    rows.append(Claim(delivery, ROUTE, state, 0, held.now_ms, *cancel))
                    places.append((n, d))
        if not rows:
            return run
        standing = await self._claims.claim(rows)
        lost = {place for place, row in zip(places, standing, strict=True) if row.holder == CANCEL}
        return _without(run, lost) if lost else run


def _without(run: PlannedRun, lost: set[tuple[int, int]]) -> PlannedRun:
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


def deferred(decisions: Sequence[Decision]) -> bool:
    """Return whether any of them waits."""
    return any(each.verdict is Verdict.DEFER for each in decisions)
