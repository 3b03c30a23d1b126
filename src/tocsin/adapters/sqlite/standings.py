"""Messages that may be edited, in SQLite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import apsw
import msgspec

from tocsin.adapters.sqlite.engine import StateEngine
from tocsin.adapters.sqlite.log_removal import overwriting
from tocsin.adapters.sqlite.sql import bind_blobs, queries
from tocsin.ports.keeping import Leaver
from tocsin.ports.state import StandingMessage


class SqliteStandings:
    """Fills `tocsin.ports.state.Standings`."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine
        self._sql = queries("standings")

    async def put(self, messages: Sequence[StandingMessage]) -> None:
        """Write them in one transaction."""
        rows = [msgspec.structs.astuple(each) for each in messages]

        def write(connection: apsw.Connection) -> None:
            connection.executemany(self._sql["put"], rows)

        await self._engine.write(write)

    async def by_key(self, keys: Sequence[bytes]) -> Mapping[bytes, StandingMessage]:
        """Read them at once."""
        bound = bind_blobs(keys)
        rows = await self._engine.read(lambda c: list(c.execute(self._sql["by_key"], (bound,))))
        return {row[0]: StandingMessage(*row) for row in rows}

    async def erase(self, recipient: int) -> int:
        """Delete them."""

        def delete(connection: apsw.Connection) -> int:
            with overwriting(connection):
                connection.execute(self._sql["erase"], (recipient,))
            return connection.changes()

        return await self._engine.write(delete)


class EraseStandings:
    """What was sent to her and may be edited: fills `tocsin.ports.keeping.Erases`."""

    name = "chats"

    def __init__(self, standings: SqliteStandings) -> None:
        self._standings = standings

    async def erase(self, leaver: Leaver) -> int:
        """Delete them."""
        return await self._standings.erase(leaver.number)
