"""Below which position of ``inbox.states`` changes may be gone."""

from __future__ import annotations

from collections.abc import Callable

import apsw

from tocsin.adapters.sqlite.sql import queries
from tocsin.domain.topics import STATES


class Floors:
    """One floor per partition. Memory is raised before the rows are gone, and may be too high."""

    def __init__(self, partition_of: Callable[[str, int], int]) -> None:
        self._partition_of = partition_of
        self._floors: dict[int, int] = {}

    def load(self, connection: apsw.Connection) -> None:
        """Read what is stored."""
        self._floors.update(connection.execute(queries("forgetting_views")["floors"]))

    def of(self, recipient: int) -> int:
        """Return the floor for *recipient*'s changes."""
        return self._floors.get(self._partition_of(STATES, recipient), 0)

    def rise(self, connection: apsw.Connection, recipient: int, position: int) -> None:
        """Raise the floor of *recipient*'s partition, within the caller's transaction."""
        partition = self._partition_of(STATES, recipient)
        if position > self._floors.get(partition, 0):
            self._floors[partition] = position
            connection.execute(queries("forgetting_views")["floor"], (partition, position))
