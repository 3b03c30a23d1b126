"""Moving a sandbox's clock: from due time to due time, everything done at its hour."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from tocsin.app.quiet import Quiet
from tocsin.domain.instants import show_instant
from tocsin.errors import RequestRefused, Unavailable
from tocsin.ports.system import MovableClock
from tocsin.ports.vendors import Vendors

_AT_ONCE_MS: Final = 100 * 365 * 86_400_000
"""Most that a clock is moved at once: a century more is a slip."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClockFace:
    """
    What the clock shows.

    ``offset_ms`` is how far it is ahead of the machine's time, below 0 when it is behind;
    ``moving_to_ms`` where it is being moved to, while it is. After a move, ``stops`` says at how
    many due times it has stopped, and ``settled`` is False when something was still under way
    after the longest wait, a call to a provider for example.
    """

    now_ms: int
    offset_ms: int
    moving_to_ms: int | None
    stops: int = 0
    settled: bool = True


class ClockDesk:
    """
    Moves the clock, one move at a time.

    While it is moved, time stands still at each due time until all that was due then has been
    done: timers fired, events routed, messages handed over, views written. So what happens does
    not depend on how quick the machine is, and it happens in the order of the due times.
    """

    def __init__(
        self,
        clock: MovableClock,
        quiet: Quiet,
        vendors: Vendors,
        wall_ms: Callable[[], int],
    ) -> None:
        self._clock = clock
        self._quiet = quiet
        self._vendors = vendors
        self._wall_ms = wall_ms
        self._turn = asyncio.Lock()
        self._target_ms: int | None = None

    def face(self, stops: int = 0, *, settled: bool = True) -> ClockFace:
        """Return what the clock shows."""
        now_ms = self._clock.now_ms()
        return ClockFace(now_ms, now_ms - self._wall_ms(), self._target_ms, stops, settled)

    async def advance(self, by_ms: int) -> ClockFace:
        """Move forward by so much; returns when all that came due has been done."""
        async with self._turn:
            return await self._move(self._clock.now_ms() + by_ms)

    async def set(self, to_ms: int) -> ClockFace:
        """
        Move to a time; returns when all that came due has been done.

        Raises `RequestRefused` for a time that is past already: the clock never goes back.
        """
        async with self._turn:
            return await self._move(to_ms)

    async def _move(self, to_ms: int) -> ClockFace:
        now_ms = self._clock.now_ms()
        if to_ms < now_ms:
            detail = f"it is {show_instant(now_ms)} already, and the clock never goes back"
            raise RequestRefused(detail, code="clock_goes_back")
        if to_ms - now_ms > _AT_ONCE_MS:
            raise RequestRefused("that is more than a century ahead", code="clock_too_far")
        self._target_ms = to_ms
        try:
            with self._clock.held():
                stops, settled = await self._stop_by_stop(to_ms)
        finally:
            self._target_ms = None
        return self.face(stops, settled=settled)

    async def _stop_by_stop(self, to_ms: int) -> tuple[int, bool]:
        clock = self._clock
        settled = await self._quiet.reached()
        stops = 0
        while (due_ms := self._quiet.next_ms()) is not None and due_ms <= to_ms > clock.now_ms():
            # What is due now and is not done all the same must not hold the clock up.
            await self._to(max(due_ms, clock.now_ms() + 1))
            settled = await self._quiet.reached() and settled
            stops += 1
        await self._to(to_ms)
        return stops, await self._quiet.reached() and settled

    async def _to(self, at_ms: int) -> None:
        self._clock.move(at_ms)
        try:
            await self._vendors.tell_time(at_ms - self._wall_ms())
        except Unavailable as error:
            # They date what arrives a little wrong, then; nothing else goes by that.
            logger.warning("vendors_not_told", code=error.code)
