"""The release: what a pause has parked goes back to the log when it has ended, in order."""

from __future__ import annotations

from typing import Final

import structlog

from tocsin.app.pausing.gate import PauseGate
from tocsin.app.timers import outputs_of
from tocsin.domain.pauses import queue_of
from tocsin.errors import Unavailable
from tocsin.ports.log import Log
from tocsin.ports.state import PauseRows, Timers
from tocsin.ports.system import Clock

_SLICE: Final = 500
_AGAIN_MS: Final = 200

logger = structlog.get_logger(__name__)


class ReleaseStep:
    """
    Keeps the pauses fresh, and releases what ended ones have parked, slice by slice.

    As with timers, a row is retired after its record is durable; a crash between the two appends
    the record again under the same key. It looks at what is parked rather than at what was ended,
    so what a decision parks while its pause ends is found, too.
    """

    def __init__(
        self, log: Log, rows: PauseRows, timers: Timers, gate: PauseGate, clock: Clock
    ) -> None:
        self._log = log
        self._rows = rows
        self._timers = timers
        self._gate = gate
        self._clock = clock

    async def run(self) -> None:
        """Follow the pauses until cancelled."""
        while True:
            try:
                if not await self.release():
                    await self._gate.stirred()
            except Unavailable as error:
                logger.warning("pauses_wait", code=error.code)
                await self._clock.pause(_AGAIN_MS)

    async def release(self) -> int:
        """Release one slice of each pause that has ended; returns how many deliveries."""
        released = 0
        now = await self._gate.refresh()
        handed = [queue_of(each.id, handed=True) for each in now.draining_handed]
        for queue in (*handed, *(queue_of(each.id, handed=False) for each in now.draining)):
            timers = await self._rows.parked(queue, _SLICE)
            if timers:
                await self._log.append(outputs_of(timers))
                await self._timers.fired([each.key for each in timers], self._clock.now_ms())
                released += len(timers)
        return released
