"""Timers in SQLite: rows by due time; a retired one stays a while, so that it is not armed again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine, until_kept
from tocsin.adapters.sqlite.sql import bind_blobs, queries
from tocsin.ports.state import Timer

# Deleted with each retirement, for each row that is retired: more than one, so that retired rows
# do not pile up.
_FORGOTTEN_PER_RETIRED: Final = 2


class SqliteTimers:
    """
    Fills `tocsin.ports.state.Timers`.

    *keep_retired_ms* must be longer than anything that arms a timer again may be repeated: a plan
    that is read once more after a crash.
    """

    def __init__(self, engine: StateEngine, *, keep_retired_ms: int) -> None:
        self._engine = engine
        self._keep_retired_ms = keep_retired_ms
        self._sql = queries("timers")
        self._queued: dict[int, int] = {}
        self._arms = 0
        self._tells: list[Callable[[], None]] = []

    def on_arm(self, tell: Callable[[], None]) -> None:
        """Call *tell* after each arming; nobody else arms here."""
        self._tells.append(tell)

    async def claim_arm(self, timers: Sequence[Timer]) -> None:
        """Insert where absent."""
        if not timers:
            return
        self._arms += 1
        arm = self._arms
        # What is queued is not in any snapshot yet, and may be due before all that is.
        self._queued[arm] = min(timer.due_ms for timer in timers)
        rows = [msgspec.structs.astuple(timer) for timer in timers]

        def settled(_kept: bool) -> None:
            del self._queued[arm]
            for tell in self._tells:
                tell()

        await until_kept(
            self._engine.queue_ahead(lambda c: c.executemany(self._sql["arm"], rows), settled)
        )

    async def due(self, now_ms: int, limit: int) -> Sequence[Timer]:
        """Return the next that are due."""
        return await self._engine.read(
            lambda c: [Timer(*row) for row in c.execute(self._sql["due"], (now_ms, limit))]
        )

    async def fired(self, keys: Sequence[bytes], now_ms: int) -> None:
        """Retire, and forget some that were retired long ago."""

        def retire(connection: apsw.Connection) -> None:
            connection.execute(self._sql["retire"], (bind_blobs(keys), now_ms))
            old = (now_ms - self._keep_retired_ms, _FORGOTTEN_PER_RETIRED * len(keys))
            connection.execute(self._sql["forget"], old)

        await self._engine.write(retire)

    async def next_due_ms(self) -> int | None:
        """Return the earliest, among the queued ones, too."""
        queued = list(self._queued.values())
        stored = await self._engine.read(lambda c: c.execute(self._sql["next"]).get)
        return min((due for due in (stored, *queued) if due is not None), default=None)

    async def waiting(self, about: Sequence[bytes]) -> Sequence[Timer]:
        """Return what is armed about them."""
        bindings = (bind_blobs(set(about)),)
        return await self._engine.read(
            lambda c: [Timer(*row) for row in c.execute(self._sql["waiting"], bindings)]
        )

    async def known(self, about: Sequence[bytes]) -> Sequence[Timer]:
        """Return all rows about them, behind whatever is queued or waits for room on the disk."""
        bindings = (bind_blobs(set(about)),)
        return await self._engine.write(
            lambda c: [Timer(*row) for row in c.execute(self._sql["known"], bindings)]
        )

    async def disarm(self, keys: Sequence[bytes]) -> None:
        """Retire as of the due time, until which a repeated plan might arm it again."""
        await self._engine.execute(self._sql["disarm"], (bind_blobs(keys),))
