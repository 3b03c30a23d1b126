"""Topics as numbers, and the place of a record in the one table of chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import apsw

_TOPIC_SHIFT: Final = 52
_PARTITION_SHIFT: Final = 44
_POSITION_MASK: Final = (1 << _PARTITION_SHIFT) - 1


def place(topic: int, partition: int, position: int) -> int:
    """Return the row id of the chunk that begins at *position*."""
    return topic << _TOPIC_SHIFT | partition << _PARTITION_SHIFT | position


def position_of(row_id: int) -> int:
    """Return the position that a row id holds."""
    return row_id & _POSITION_MASK


class Topics:
    """Numbers of topics, given once and kept in the file."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._numbers: dict[str, int] = dict(
            connection.execute("SELECT name, number FROM log_topic")
        )

    def find(self, name: str) -> int | None:
        """Return the topic's number, None while nothing was written to it."""
        return self._numbers.get(name)

    def names(self) -> tuple[str, ...]:
        """Return every topic that has a number."""
        return tuple(self._numbers)

    def number(
        self, name: str, enqueue: Callable[[Callable[[apsw.Connection], None]], object]
    ) -> int:
        """Return the topic's number; a new topic's row is queued ahead of what uses it."""
        found = self._numbers.get(name)
        if found is None:
            found = len(self._numbers) + 1
            row = (found, name)

            def insert(connection: apsw.Connection) -> None:
                connection.execute("INSERT INTO log_topic (number, name) VALUES (?, ?)", row)

            enqueue(insert)
            # Only now: a number whose row was refused would be given to no topic in the file.
            self._numbers[name] = found
        return found
