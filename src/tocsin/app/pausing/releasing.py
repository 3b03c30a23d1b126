"""The release: what a pause has parked goes back to the log when it has ended, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from tocsin.app.pausing.gate import FRESH_S, PauseGate
from tocsin.app.routing.router import GROUP
from tocsin.app.timers import outputs_of
from tocsin.domain.pauses import queue_of
from tocsin.errors import Unavailable
from tocsin.ports.log import Batch, Log
from tocsin.ports.state import PauseRows, Timers
from tocsin.ports.system import Clock

_SLICE: Final = 500
_AGAIN_MS: Final = 200
_CLOSING_S: Final = 0.05
_ROUNDS_MAX: Final = 50

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Closing:
    """A queue that was emptied, until what was let out of it has been read."""

    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    """(topic, partition) -> the position after its last record."""
    rounds: int = 0


class ReleaseStep:
    """
    Keeps the pauses fresh, and releases what ended ones have parked, slice by slice.

    As with timers, a row is retired after its record is durable; a crash between the two appends
    the record again under the same key. It looks at what is parked rather than at what was ended,
    so what a decision parks while its pause ends is found, too.

    *Order*: what lies on the log before the last slice and is read after it would overtake it, so
    what is new goes behind an empty queue, too, until readers have passed the slice. Where new
    messages keep coming there is always one more, so after some rounds that is given up.
    """

    def __init__(
        self, log: Log, rows: PauseRows, timers: Timers, gate: PauseGate, clock: Clock
    ) -> None:
        self._log = log
        self._rows = rows
        self._timers = timers
        self._gate = gate
        self._clock = clock
        self._closing: dict[str, _Closing] = {}

    def busy(self) -> bool:
        """Return whether what an ended pause has parked is to be released."""
        now = self._gate.now
        return self._gate.stirring or bool(now.draining or now.draining_handed)

    async def run(self) -> None:
        """Follow the pauses until cancelled."""
        while True:
            try:
                if not await self.release():
                    await self._gate.stirred(_CLOSING_S if self._closing else FRESH_S)
            except Unavailable as error:
                logger.warning("pauses_wait", code=error.code)
                await self._clock.pause(_AGAIN_MS)

    async def release(self) -> int:
        """Release one slice of each pause that has ended; returns how many deliveries."""
        released = 0
        now = await self._gate.refresh(self._closing)
        handed = [queue_of(each.id, handed=True) for each in now.draining_handed]
        for queue in (*handed, *(queue_of(each.id, handed=False) for each in now.draining)):
            timers = await self._rows.parked(queue, _SLICE)
            if timers:
                batches = await self._log.append(outputs_of(timers))
                await self._timers.fired([each.key for each in timers], self._clock.now_ms())
                self._follow(queue, batches, last=len(timers) < _SLICE)
                released += len(timers)
            elif await self._passed(queue):
                self._closing.pop(queue, None)
        return released

    def _follow(self, queue: str, batches: Sequence[Batch], *, last: bool) -> None:
        closing = self._closing.setdefault(queue, _Closing())
        closing.ends.update({(each.topic, each.partition): each.end for each in batches})
        closing.rounds += last

    async def _passed(self, queue: str) -> bool:
        """Return whether readers have passed all that was let out of an empty queue."""
        closing = self._closing.get(queue)
        if closing is None or closing.rounds > _ROUNDS_MAX:
            return True
        for (topic, partition), end in closing.ends.items():
            group = GROUP if topic.startswith("events.") else topic
            committed = await self._log.committed(group)
            if committed.get((topic, partition), 0) < end:
                return False
        return True
