"""Accepting no faster than what was accepted can be decided."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tocsin.domain.lanes import LANES, Lane
from tocsin.errors import Overloaded

_STUCK_S: Final = 1.0
"""A lane on which nothing was decided for so long is held up by something else than load."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """How much may wait: ``backlog`` records and, to be let in, ``requests`` in each lane."""

    backlog: Mapping[Lane, int]
    requests: int
    wait_ms: int


@dataclass(slots=True)
class _Lane:
    """What waits in one lane, for route and for room."""

    limit: int
    decided: int = 0
    """Up to here the records of all partitions are decided."""
    moved_s: float = float("-inf")
    entering: int = 0
    """Records that were let in and are not on the log yet."""
    waiting: deque[tuple[int, asyncio.Future[None]]] = field(default_factory=deque)


class Backpressure:
    """
    Lets events into a lane while few enough of it wait to be decided.

    Who finds it full waits a moment, in order; who would wait longer is told to come again. So a
    producer that can be slowed is slowed, and under any load what is answered is also delivered
    soon. A lane on which nothing is decided at all (paused, or a store is away) takes what comes:
    the log is there to hold it.
    """

    def __init__(
        self, end: Callable[[Lane], int], monotonic: Callable[[], float], pressure: Pressure
    ) -> None:
        """*end* returns how many records a lane's topic has ever had."""
        self._end = end
        self._monotonic = monotonic
        self._pressure = pressure
        self._lanes: dict[Lane, _Lane] = {lane: _Lane(pressure.backlog[lane]) for lane in LANES}
        self.refused = 0

    @property
    def waiting(self) -> int:
        """How many requests wait for room."""
        return sum(len(each.waiting) for each in self._lanes.values())

    @property
    def crowded(self) -> bool:
        """Whether in any lane as many wait as may."""
        most = self._pressure.requests
        return any(len(each.waiting) >= most for each in self._lanes.values())

    def moved(self, lane: Lane, decided: int) -> None:
        """Hear from route that a lane's records below *decided* are decided, and make room."""
        one = self._lanes[lane]
        one.decided, one.moved_s = decided, self._monotonic()
        while one.waiting:
            events, room = one.waiting[0]
            if room.done():
                one.waiting.popleft()
            elif self._has_room(lane, one):
                one.waiting.popleft()
                # Before the one that waits runs: the next in line must count it.
                one.entering += events
                room.set_result(None)
            else:
                return

    def full(self, lane: Lane) -> bool:
        """Return whether whoever comes now is sent away, so that nothing need be read first."""
        one = self._lanes[lane]
        return len(one.waiting) >= self._pressure.requests and not self._open(lane, one)

    async def enter(self, lane: Lane, events: int) -> None:
        """
        Return when *events* may be appended to *lane*; they count until `entered`.

        Raises `Overloaded` when there is no room soon.
        """
        one = self._lanes[lane]
        if self._open(lane, one) and not one.waiting:
            one.entering += events
            return
        if len(one.waiting) >= self._pressure.requests:
            raise self.overloaded()
        room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        one.waiting.append((events, room))
        try:
            async with asyncio.timeout(self._pressure.wait_ms / 1000):
                await room
        except TimeoutError:
            if room.done() and not room.cancelled():
                one.entering -= events
            raise self.overloaded() from None

    def entered(self, lane: Lane, events: int) -> None:
        """Say that what was let in is on the log, or will never be."""
        self._lanes[lane].entering -= events

    def _open(self, lane: Lane, one: _Lane) -> bool:
        return self._has_room(lane, one) or self._monotonic() - one.moved_s > _STUCK_S

    def _has_room(self, lane: Lane, one: _Lane) -> bool:
        return self._end(lane) + one.entering - one.decided < one.limit

    def overloaded(self) -> Overloaded:
        """Count a refusal and return it."""
        self.refused += 1
        return Overloaded("more events come than can be decided; wait, then send the same again")
