"""Is anything still on its way? Asked of every loop, so that a clock is moved only in a calm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from tocsin.ports.system import Clock

_FIRST_MS: Final = 1
_LONGEST_MS: Final = 20


class Worker(Protocol):
    """A loop that can say whether it has work."""

    def busy(self) -> bool:
        """
        Return whether there is something that it does, or will do without time passing.

        What waits for an hour is not busy, nor what an operator has paused. Cheap, and without
        gaps: what one loop hands to another is the other's before it is done with it.
        """


class Waiter(Protocol):
    """A loop for which work comes with time."""

    def next_ms(self) -> int | None:
        """
        Return when it will have work by time alone, None when it will not.

        Only right while it is not busy. What is done every so often and decides about no message
        does not count.
        """


class Quiet:
    """Knows when every loop has come to its end, and when the next one will have work again."""

    def __init__(
        self,
        workers: Sequence[Worker],
        waiters: Sequence[Waiter],
        clock: Clock,
        *,
        longest_ms: int,
    ) -> None:
        self._workers = workers
        self._waiters = waiters
        self._clock = clock
        self._longest_ms = longest_ms

    def busy(self) -> bool:
        """Return whether any has work. All are asked in one turn of the loop."""
        return any(worker.busy() for worker in self._workers)

    def next_ms(self) -> int | None:
        """Return when time alone brings the next work; right in a calm."""
        times = (each.next_ms() for each in self._waiters)
        return min((at_ms for at_ms in times if at_ms is not None), default=None)

    async def reached(self) -> bool:
        """
        Return True as soon as none has work; False when the longest wait passed before.

        That may happen where a provider does not answer: its call is awaited no longer.
        """
        waited_ms = 0
        step_ms = _FIRST_MS
        while self.busy():
            if waited_ms >= self._longest_ms:
                return False
            await self._clock.pause(step_ms)
            waited_ms += step_ms
            step_ms = min(_LONGEST_MS, step_ms + 1)
        return True
