"""How far a view has followed the log, kept in the view's own file and transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import apsw

from tocsin.adapters.sqlite.chunk import pack, slices
from tocsin.adapters.sqlite.connection import Readers
from tocsin.adapters.sqlite.topics import place, position_of
from tocsin.adapters.sqlite.writer import Writer
from tocsin.domain.lanes import LANE_NUMBER
from tocsin.domain.records import Poison, encode
from tocsin.errors import TocsinError
from tocsin.ports.log import Batch, PreparedWrite

_MARK = (
    "INSERT INTO view_mark (reader, topic, partition, position) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (reader, topic, partition) DO UPDATE SET position = excluded.position"
    " WHERE excluded.position > view_mark.position"
)

_MARK_OF = "SELECT position FROM view_mark WHERE reader = ? AND topic = ? AND partition = ?"

_CHUNK = "INSERT INTO inbox_chunk (place, body) VALUES (?, ?) ON CONFLICT DO NOTHING"
_CHUNK_BYTES: Final = 48 * 1024
CHUNK_NUMBERS: Final = {f"inbox.{lane}": number for lane, number in LANE_NUMBER.items()}
"""What stands for a topic in the places of the view's own rows."""


class ViewMarks:
    """The marks of one view: the position after the last record that it holds."""

    def __init__(
        self, reader: str, writer: Writer, readers: Readers, *, keeps_bodies: bool = False
    ) -> None:
        """With *keeps_bodies* the view gets copies of its items: the log is in another file."""
        self._reader = reader
        self._writer = writer
        self._readers = readers
        self._keeps_bodies = keeps_bodies

    async def all(self) -> Mapping[tuple[str, int], int]:
        """Return every mark."""

        def select(connection: apsw.Connection) -> dict[tuple[str, int], int]:
            rows = connection.execute(
                "SELECT topic, partition, position FROM view_mark WHERE reader = ?",
                (self._reader,),
            )
            return {(topic, partition): position for topic, partition, position in rows}

        return await self._readers.run(select)

    async def write(self, batches: Sequence[Batch], write: PreparedWrite) -> None:
        """
        Run *write* and move the marks past *batches*, in one transaction.

        Batches that are all below their marks were written before, and nothing is done.
        """
        rows = [(self._reader, each.topic, each.partition, each.end) for each in batches]
        chunks = [row for each in batches for row in _chunks(each)] if self._keeps_bodies else []

        def operation(connection: apsw.Connection) -> bool:
            if all(self._is_below(connection, each) for each in batches):
                return False
            write(connection)
            connection.executemany(_CHUNK, chunks)
            connection.executemany(_MARK, rows)
            return True

        try:
            written = await self._writer.submit(operation)
        except TocsinError:
            write.undo()
            raise
        if not written:
            write.undo()

    def _is_below(self, connection: apsw.Connection, batch: Batch) -> bool:
        place = (self._reader, batch.topic, batch.partition)
        row = connection.execute(_MARK_OF, place).fetchone()
        return row is not None and int(row[0]) >= batch.end


def own_chunk(
    connection: apsw.Connection, topic: str, partition: int, position: int
) -> tuple[int, bytes] | None:
    """Return (first position, chunk) of the view's own row that holds *position*."""
    number = CHUNK_NUMBERS[topic]
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT place, body FROM inbox_chunk WHERE place BETWEEN ? AND ?"
        " ORDER BY place DESC LIMIT 1",
        (place(number, partition, 0), place(number, partition, position)),
    ).fetchall()
    return (position_of(rows[0][0]), rows[0][1]) if rows else None


def _chunks(batch: Batch) -> Iterator[tuple[int, bytes]]:
    number = CHUNK_NUMBERS.get(batch.topic)
    if number is None:
        return
    bodies = [each.body if isinstance(each, Poison) else encode(each) for each in batch.records]
    for first, end in slices(bodies, _CHUNK_BYTES):
        yield place(number, batch.partition, batch.position + first), pack(bodies[first:end])
