"""The pauses in memory: whoever routes or delivers asks here, without waiting for the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from tocsin.domain.pauses import NO_PAUSES, Pause, Pauses, queue_parts
from tocsin.ports.state import PauseRows

FRESH_S: Final = 1.0
"""Between readings, where another process may have changed them; with them, 2 s at most."""


class PauseGate:
    """
    What is paused now, as of the last reading.

    A pause made in this process counts from its reading on, which its change brings about.
    """

    def __init__(self, rows: PauseRows) -> None:
        self._rows = rows
        self._changed = asyncio.Event()
        self._stirred = asyncio.Event()
        self._tells: list[Callable[[], None]] = []
        # One reading after the other: an older one must not undo what a newer one has found.
        self._turn = asyncio.Lock()
        self._closing: tuple[str, ...] = ()
        self.now: Pauses = NO_PAUSES
        rows.on_change(self.stir)

    def on_change(self, tell: Callable[[], None]) -> None:
        """Call *tell* on the loop whenever `now` has become another."""
        self._tells.append(tell)

    def stir(self) -> None:
        """Let whoever keeps the pauses fresh look now."""
        self._stirred.set()

    @property
    def stirring(self) -> bool:
        """Whether there is something that was not looked at yet."""
        return self._stirred.is_set()

    async def stirred(self, seconds: float = FRESH_S) -> None:
        """Return when there is something to look at, or after *seconds* of real time."""
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            return

    async def refresh(self, closing: Collection[str] | None = None) -> Pauses:
        """
        Read the pauses anew, those too that have ended and still hold something.

        What is new goes behind *closing* queues as behind those that are not empty; None: behind
        those that were given last.
        """
        async with self._turn:
            self._closing = self._closing if closing is None else tuple(closing)
            found = await self._read(self._closing)
            if found != self.now:
                # One value for "none", by which a hot path tells it at a glance.
                self.now = NO_PAUSES if found == NO_PAUSES else found
                self._changed.set()
                self._changed = asyncio.Event()
                for tell in self._tells:
                    tell()
        return found

    async def _read(self, closing: Collection[str]) -> Pauses:
        self._stirred.clear()
        in_force = await self._rows.in_force()
        queues = [queue_parts(queue) for queue in {*await self._rows.queues(), *closing}]
        ended = {id for id, _ in queues} - {each.id for each in in_force}
        draining = await self._rows.get(ended) if ended else ()
        return Pauses(
            in_force=tuple(in_force),
            draining=tuple(each for each in draining if (each.id, False) in queues),
            draining_handed=tuple(each for each in draining if (each.id, True) in queues),
        )

    def stopped(self, channel: str, lane: str) -> Pause | None:
        """Return the pause by which hand-offs wait in the log."""
        return self.now.stops_handoffs(channel, lane)

    async def lane_open(self, lane: str) -> None:
        """Return when *lane* is not paused."""
        while self.now.stops_lane(lane) is not None:
            await self._changed.wait()

    async def handoffs_open(self, channel: str, lane: str) -> None:
        """Return when hand-offs of *channel* in *lane* need not wait in the log."""
        while self.stopped(channel, lane) is not None:
            await self._changed.wait()
