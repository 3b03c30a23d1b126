"""What the views let go: settled deliveries, attempts, items and what people did with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import apsw

from tocsin.adapters.sqlite.connection import Readers
from tocsin.adapters.sqlite.forgetting import Aged, Row, Walked, of_events_before
from tocsin.adapters.sqlite.inbox import SqliteInbox
from tocsin.adapters.sqlite.log_removal import Rows, overwriting
from tocsin.adapters.sqlite.runs import WEEK_MS, IndexRuns
from tocsin.adapters.sqlite.sql import queries
from tocsin.adapters.sqlite.topics import place
from tocsin.adapters.sqlite.view_marks import CHUNK_NUMBERS
from tocsin.adapters.sqlite.writer import Writer
from tocsin.domain.keeping import Cut
from tocsin.domain.records import Broadcast, StateChange, decode
from tocsin.ports.keeping import Forgets

T = TypeVar("T")

_SLICE_BYTES: Final = 512 * 1024
_ATTEMPT_CHUNKS: Final = 16
"""Each holds all that one transaction wrote, some dozens of pages."""
_NEVER: Final = (1 << 44) - 1


class ViewFile:
    """The file of the views."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

    async def read(self, query: Callable[[apsw.Connection], T]) -> T:
        """Run *query* on what is durable now."""
        return await self._readers.run(query)

    async def write(self, operation: Callable[[apsw.Connection], T]) -> T:
        """Run *operation* and return its result when it is durable."""
        return await self._writer.submit(operation)

    async def settled_late_ms(self, since_ms: int) -> int | None:
        """
        Return when the oldest event was accepted of which something settled at *since_ms* or later.

        Only what settled more than a minute after it was accepted counts.
        """
        statement = queries("forgetting_views")["settled_since"]
        return await self._readers.run(
            lambda connection: connection.execute(statement, (since_ms,)).get
        )


def forgets_views(
    file: ViewFile,
    inbox: SqliteInbox,
    indexes: Sequence[tuple[IndexRuns, Callable[[Cut], int]]],
    partitions: int,
    *,
    holds_bodies: bool,
) -> Sequence[Forgets]:
    """
    Return every kind of rows of the views that end.

    *indexes* come with the time before which their entries go; with *holds_bodies* the items' texts
    are the view's own.
    """
    sql = queries("forgetting_views")
    found: list[Forgets] = [
        Aged("settled", file, sql["settled"], lambda cut: cut.history_ms),
        Aged("settled late", file, sql["late"], lambda cut: cut.history_ms),
        Aged("fan-outs counted", file, sql["counted_fanouts"], _history),
        Aged(
            "attempts",
            file,
            sql["attempt_chunks"],
            lambda cut: cut.history_ms,
            rows=_ATTEMPT_CHUNKS,
        ),
        Aged("attempts late", file, sql["attempts"], _history),
        *(Weeks(index, before) for index, before in indexes),
        Walked(
            "broadcasts",
            file,
            sql["broadcasts"],
            sql["delete_broadcast"],
            begin=(-1, -1),
            ended=_old_broadcasts,
        ),
        Walked(
            "states",
            file,
            sql["states"],
            sql["delete_state"],
            begin=(-1, b""),
            ended=_old_states,
        ),
        Walked(
            "sweeps",
            file,
            sql["sweeps"],
            sql["delete_sweep"],
            begin=(-1, -1),
            ended=lambda rows, cut: [row for row in rows if row[2] < cut.inbox_ms],
        ),
        Changes(file, inbox),
    ]
    if holds_bodies:
        found += [Bodies(file, topic, partitions) for topic in CHUNK_NUMBERS]
    return found


class Weeks:
    """The weeks of an index, each dropped whole when everything in it is past."""

    def __init__(self, index: IndexRuns, before_ms: Callable[[Cut], int]) -> None:
        self.name = f"index {index.name}"
        self._index = index
        self._before_ms = before_ms

    async def forget(self, cut: Cut) -> int | None:
        """Drop the oldest; its blocks are deleted in slices when the index merges."""
        last = self._before_ms(cut) // WEEK_MS
        old = [week for week in self._index.partitions if week < last]
        if not old:
            return None
        await self._index.drop(min(old))
        return 1


class Changes(Walked):
    """What people changed, for clients that come back; a cursor from before has to read anew."""

    def __init__(self, file: ViewFile, inbox: SqliteInbox) -> None:
        sql = queries("forgetting_views")
        self._inbox = inbox
        super().__init__(
            "changes",
            file,
            sql["changes"],
            sql["delete_change"],
            begin=(-1, -1),
            ended=_old_changes,
            before_delete=self._raise_floor,
        )

    def _raise_floor(self, connection: apsw.Connection, rows: Sequence[Row]) -> None:
        """In the transaction of the deletion, and in memory before a reader can miss a row."""
        for recipient, position, *_ in rows:
            self._inbox.floors.rise(connection, recipient, position + 1)


class Bodies:
    """The items' texts where the views have a file of their own."""

    def __init__(self, file: ViewFile, topic: str, partitions: int) -> None:
        self.name = f"texts {topic}"
        self._file = file
        self._topic = topic
        self._partitions = partitions

    async def forget(self, cut: Cut) -> int | None:
        """Delete the first rows of a partition that has some to lose."""
        for partition in range(self._partitions):
            number = CHUNK_NUMBERS[self._topic]
            rows = Rows("inbox_chunk", number, self._topic, partition)
            found = await self._file.read(
                lambda c: rows.find(  # noqa: B023  # runs before the next turn
                    c, before_ms=cut.inbox_ms, below=_NEVER, bytes_max=_SLICE_BYTES
                )
            )
            if found is not None:
                edges = (place(number, partition, 0), place(number, partition, found.end))
                await self._file.write(lambda c: _delete(c, edges))  # noqa: B023  # as above
                return found.records
        return None


def _delete(connection: apsw.Connection, edges: tuple[int, int]) -> None:
    with overwriting(connection):
        connection.execute("DELETE FROM inbox_chunk WHERE place >= ? AND place < ?", edges)


def _history(cut: Cut) -> Any:
    return of_events_before(cut.history_ms)


def _old_broadcasts(rows: Sequence[Row], cut: Cut) -> Sequence[Row]:
    found = []
    for row in rows:
        record = decode(row[2])
        if isinstance(record, Broadcast) and record.visible_ms < cut.inbox_ms:
            found.append(row)
    return found


def _old_states(rows: Sequence[Row], cut: Cut) -> Sequence[Row]:
    """By the event's time, before which everything has become visible long enough ago."""
    edge = of_events_before(min(cut.history_ms, cut.inbox_ms))
    return [row for row in rows if row[1] < edge]


def _old_changes(rows: Sequence[Row], cut: Cut) -> Sequence[Row]:
    found = []
    for row in rows:
        record = decode(row[2])
        if not isinstance(record, StateChange) or record.at_ms < cut.log_ms:
            found.append(row)
    return found
