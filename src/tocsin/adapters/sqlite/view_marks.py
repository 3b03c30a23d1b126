"""How far a view has followed the log, kept in the view's own file and transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import apsw

from tocsin.adapters.sqlite.connection import Readers
from tocsin.adapters.sqlite.writer import Writer
from tocsin.errors import TocsinError
from tocsin.ports.log import Batch, PreparedWrite

_MARK = (
    "INSERT INTO view_mark (reader, topic, partition, position) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (reader, topic, partition) DO UPDATE SET position = excluded.position"
    " WHERE excluded.position > view_mark.position"
)


class ViewMarks:
    """The marks of one view: the position after the last record that it holds."""

    def __init__(self, reader: str, writer: Writer, readers: Readers) -> None:
        self._reader = reader
        self._writer = writer
        self._readers = readers

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
        """Run *write* and move the marks past *batches*, in one transaction."""
        rows = [(self._reader, each.topic, each.partition, each.end) for each in batches]

        def operation(connection: apsw.Connection) -> None:
            write(connection)
            connection.executemany(_MARK, rows)

        try:
            await self._writer.submit(operation)
        except TocsinError:
            write.undo()
            raise
