"""A large audience of a workflow with intervals: cut into parts, decided one by one."""

from __future__ import annotations

from typing import Final

from pyroaring import AbstractBitMap, BitMap

from tocsin.app.routing.inputs import BEGINNING, Input, Run
from tocsin.app.routing.intervals import interval_timer
from tocsin.domain.ids import EventKey, notification_key
from tocsin.domain.intervals import PART, interval_key
from tocsin.domain.lanes import Lane
from tocsin.domain.reasons import Outcome
from tocsin.domain.records import Event, Individuals, PlannedRun, encode
from tocsin.ports.state import Timer, Timers

_PART: Final = 1_000
"""So many dense numbers belong to one part."""


class PartsStep:
    """
    Gives each part a timer that is due at once.

    A fan-out's chunk is decided once for all of its members, but after an interval each of them is
    somewhere else. Timers are fired in slices, so other events are routed in between.
    """

    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    async def start(
        self, entry: Input, run: Run, numbers: AbstractBitMap, lane: Lane, now_ms: int
    ) -> PlannedRun:
        """Arm the parts, and return the run that names them."""
        event = entry.event
        assert event is not None
        audience = BitMap(numbers)
        audience.update(one.number for _, one in run.recipients if one is not None)
        parts: dict[int, list[int]] = {}
        for number in audience:
            parts.setdefault(number // _PART, []).append(number)
        timers = [_timer(entry, event, run, lane, now_ms, *part) for part in parts.items()]
        await self._timers.claim_arm(timers)
        return PlannedRun(
            run.workflow.key,
            run.workflow.version,
            run.index,
            outcome=Outcome.ROUTED if parts else Outcome.EMPTY_AUDIENCE,
            category=run.workflow.category,
            waits=tuple((part, PART) for part in parts),
        )


def _timer(
    entry: Input, event: Event, run: Run, lane: Lane, now_ms: int, part: int, members: list[int]
) -> Timer:
    """
    Return what begins one part.

    A part is named by the numbers that it may have, so that one that was armed before a crash is
    the same afterwards, although the audience may have changed.
    """
    about = interval_key(notification_key(EventKey(event.key), run.index, part), PART)
    key = interval_timer(about)
    record = Individuals(
        key=key,
        event=event.key,
        event_lane=lane,
        event_partition=entry.partition,
        event_position=entry.event_position,
        workflow_index=run.index,
        step=BEGINNING,
        recipients=tuple(members),
        trace=event.trace,
    )
    body = encode(record)
    return Timer(key, now_ms, f"events.{lane}", entry.partition, body, about, "part")
