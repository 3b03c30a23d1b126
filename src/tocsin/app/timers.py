"""The timers' step: what came due becomes an input record, and only then is its row retired."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from tocsin.app.waiting import first_of, set_
from tocsin.domain.records import Poison, Record, decode
from tocsin.errors import Unavailable
from tocsin.ports.log import Log, Output
from tocsin.ports.state import Timer, Timers
from tocsin.ports.system import Clock

_SLICE: Final = 1_000
_RETRY_MS: Final = 200

_GATHERED_FROM: Final = 32
_GATHER_MS: Final = 50
"""
After a slice of so many the next ones gather for so long: a transaction costs as much as dozens of
rows. A timer that comes due alone is fired at its very time.
"""

_OF_OUTCOMES: Final = frozenset({"wait", "retry"})
"""Kinds of timers whose meaning depends on what has become of a delivery."""

logger = structlog.get_logger(__name__)


class TimerStep:
    """
    Fires timers in the order of their due times.

    A crash between the record and the row's retirement appends the record again; it has the same
    key, and whoever reads it knows the first of them by that.
    """

    def __init__(
        self, log: Log, timers: Timers, clock: Clock, caught_up: Callable[[], Awaitable[None]]
    ) -> None:
        """
        *caught_up* returns when all that is on the log has been told to the runs that wait for it.

        What came in time then counts, however late the timer is looked at.
        """
        self._log = log
        self._caught_up = caught_up
        self._timers = timers
        self._clock = clock
        self._armed = asyncio.Event()
        self._waiting = False
        self._until_ms: int | None = None
        self._not_before_ms = 0
        timers.on_arm(self._armed.set)

    def busy(self) -> bool:
        """Return whether something is due, or was armed and is not known yet."""
        due = self._until_ms is not None and self._until_ms <= self._clock.now_ms()
        return not self._waiting or self._armed.is_set() or due

    def next_ms(self) -> int | None:
        """Return when the next is due, right while there is nothing to do; None without any."""
        return self._until_ms

    async def run(self) -> None:
        """Fire what comes due until cancelled."""
        while True:
            try:
                self._armed.clear()
                if self._gathers() or await self.fire() < _SLICE:
                    await self._wait()
            except Unavailable as error:
                logger.warning("timers_wait", code=error.code)
                await self._clock.pause(_RETRY_MS)

    async def fire(self) -> int:
        """Fire one slice of what is due; returns how many."""
        now_ms = self._clock.now_ms()
        due = await self._timers.due(now_ms, _SLICE)
        if any(timer.kind in _OF_OUTCOMES for timer in due):
            await self._caught_up()
        if due:
            await self._log.append(outputs_of(due))
            await self._timers.fired([timer.key for timer in due], now_ms)
        if len(due) >= _GATHERED_FROM:
            self._not_before_ms = now_ms + _GATHER_MS
        return len(due)

    def _gathers(self) -> bool:
        """Return whether what comes due is left to gather; a clock set back ends that, too."""
        return 0 < self._not_before_ms - self._clock.now_ms() <= _GATHER_MS

    async def _wait(self) -> None:
        due_ms = await self._timers.next_due_ms()
        if due_ms is not None and self._gathers():
            due_ms = max(due_ms, self._not_before_ms)
        self._until_ms = due_ms
        if due_ms is not None and due_ms <= self._clock.now_ms():
            return  # it came due just now, or will be durable in a moment: look again
        self._waiting = True
        try:
            if due_ms is None:
                await self._armed.wait()
            else:
                await first_of(self._clock.sleep_until(due_ms), set_(self._armed))
        finally:
            self._waiting = False


def outputs_of(due: Sequence[Timer]) -> list[Output]:
    """Return the records of *due*, in their order within each partition."""
    gathered: dict[tuple[str, int], list[Record]] = {}
    for timer in due:
        record = decode(timer.record)
        if isinstance(record, Poison):
            # Nobody could read it on the log, either.
            logger.error("timer_unreadable", kind=timer.kind, detail=record.detail)
            continue
        gathered.setdefault((timer.topic, timer.partition), []).append(record)
    return [Output(topic, partition, records) for (topic, partition), records in gathered.items()]
