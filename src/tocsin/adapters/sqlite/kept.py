"""What is open, and how far back what is remembered is complete."""

from __future__ import annotations

from typing import Any, Final

import apsw

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.sql import queries
from tocsin.domain.ids import accepted_ms

_SLICE: Final = 5_000


class SqliteKept:
    """Fills `tocsin.ports.keeping.Kept`."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._sql = queries("kept")

    async def since_ms(self, name: str) -> int:
        """Return what was stored."""
        stored: int | None = await self._engine.read(
            lambda c: c.execute(self._sql["since"], (name,)).get
        )
        return stored or 0

    async def rise(self, name: str, at_ms: int) -> None:
        """Store, unless it is there already or a later one."""
        await self._engine.execute(self._sql["rise"], (name, at_ms))

    async def open_since_ms(self) -> int | None:
        """Walk the armed timers in the order in which they come due, then ask the waits and fan-outs."""
        at: tuple[int, bytes] = (-1, b"")
        oldest: list[int] = []
        while True:
            rows = await self._engine.read(lambda c: self._armed(c, at))  # noqa: B023  # runs before the next turn
            if rows:
                oldest.append(min(accepted_ms(about) for _, _, about in rows))
                at = rows[-1][:2]
            if len(rows) < _SLICE:
                break
        for heading in ("waiting", "running"):
            sql = self._sql[heading]
            key: bytes | None = await self._engine.read(lambda c: c.execute(sql).get)  # noqa: B023  # runs before the next turn
            if key is not None:
                oldest.append(accepted_ms(key))
        return min(oldest, default=None)

    def _armed(self, connection: apsw.Connection, at: tuple[int, bytes]) -> list[Any]:
        return connection.execute(self._sql["armed"], (*at, _SLICE)).fetchall()
