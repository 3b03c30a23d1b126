"""
Removing the oldest rows of a partition, a slice at a time, and overwriting single records.

The rows of a partition lie side by side in the order of their positions, so what is old is a range
at its begin. What SQLite frees is used by the next rows that are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import apsw

from tocsin.adapters.sqlite.chunk import count, pack, unpack
from tocsin.adapters.sqlite.chunk import record as record_of
from tocsin.adapters.sqlite.connection import Readers
from tocsin.adapters.sqlite.late_chunks import LateChunks
from tocsin.adapters.sqlite.tail import Place as TailPlace
from tocsin.adapters.sqlite.tail import Tail
from tocsin.adapters.sqlite.topics import Topics, place, position_of
from tocsin.adapters.sqlite.writer import Writer
from tocsin.domain.records import Event, Record, decode, encode
from tocsin.domain.records.ages import written_ms
from tocsin.ports.keeping import Removable
from tocsin.ports.log import Place

_ROWS_AT_ONCE: Final = 256


@contextmanager
def overwriting(connection: apsw.Connection) -> Iterator[None]:
    """Fill what is deleted in this block with zeros, also pages that nothing else touches."""
    connection.execute("PRAGMA secure_delete = ON")
    try:
        yield
    finally:
        connection.execute("PRAGMA secure_delete = FAST")


class LogRemoval:
    """Fills `tocsin.ports.keeping.LogKeeping` beside a log, with which it shares its memory."""

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        topics: Topics,
        tails: Mapping[TailPlace, Tail],
        starts: dict[TailPlace, int],
        late: LateChunks,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._topics = topics
        self._tails = tails
        self._starts = starts
        self._late = late

    async def readers(self) -> Mapping[tuple[str, str, int], int]:
        """Return every committed position."""

        def select(connection: apsw.Connection) -> dict[tuple[str, str, int], int]:
            rows = connection.execute("SELECT reader, topic, partition, position FROM log_position")
            return {(group, topic, partition): at for group, topic, partition, at in rows}

        return await self._readers.run(select)

    def topics(self) -> Sequence[str]:
        """Return every topic with a number."""
        return self._topics.names()

    async def removable(
        self, topic: str, partition: int, *, before_ms: int, below: int, bytes_max: int
    ) -> Removable | None:
        """Return the first rows that may go."""
        number, tail = self._topics.find(topic), self._tails.get((topic, partition))
        if number is None or tail is None:
            return None
        last = min(below, tail.durable)
        rows = Rows("log_chunk", number, topic, partition)
        return await self._readers.run(
            lambda connection: rows.find(
                connection, before_ms=before_ms, below=last, bytes_max=bytes_max
            )
        )

    async def remove(self, what: Removable) -> None:
        """Delete the rows, and forget their records."""
        number = self._topics.find(what.topic)
        if number is None:
            return
        await self._writer.submit(lambda connection: _delete(connection, number, what))
        where = (what.topic, what.partition)
        self._starts[where] = max(what.end, self._starts.get(where, 0))
        tail = self._tails.get(where)
        if tail is not None:
            tail.forget(what.end)
        self._late.forget(where)

    async def oldest_ms(self, topic: str, partition: int) -> int | None:
        """Return when the first record that is left was written."""
        number = self._topics.find(topic)
        if number is None:
            return None
        return await self._readers.run(
            lambda connection: _first_written_ms(connection, number, partition)
        )

    async def overwrite(self, records: Mapping[Place, Record]) -> int:
        """Write the rows anew that hold those places; the memory of their partitions is let go."""
        wanted: dict[tuple[int, int], dict[int, bytes]] = {}
        for (topic, partition, position), record in records.items():
            number = self._topics.find(topic)
            if number is not None:
                wanted.setdefault((number, partition), {})[position] = encode(record)
        done = await self._writer.submit(
            lambda connection: sum(
                rewrite(connection, "log_chunk", *where, bodies) for where, bodies in wanted.items()
            )
        )
        for topic, partition, _ in records:
            tail = self._tails.get((topic, partition))
            if tail is not None:
                tail.forget(tail.durable)
            self._late.forget((topic, partition))
        return done


def rewrite(
    connection: apsw.Connection,
    table: str,
    number: int,
    partition: int,
    bodies: Mapping[int, bytes],
) -> int:
    """Put *bodies*, by position, in the places of what *table* holds; returns how many it held."""
    chunks: dict[int, dict[int, bytes]] = {}
    low = place(number, partition, 0)
    for position, body in bodies.items():
        row = connection.execute(
            f"SELECT place FROM {table} WHERE place BETWEEN ? AND ? ORDER BY place DESC LIMIT 1",
            (low, place(number, partition, position)),
        ).fetchone()
        if row is not None:
            chunks.setdefault(row[0], {})[position - position_of(row[0])] = body
    done = 0
    with overwriting(connection):
        for row_id, changed in chunks.items():
            chunk = connection.execute(f"SELECT body FROM {table} WHERE place = ?", (row_id,)).get
            held = list(unpack(chunk))
            for index, body in changed.items():
                if index < len(held):
                    held[index] = body
                    done += 1
            connection.execute(f"UPDATE {table} SET body = ? WHERE place = ?", (pack(held), row_id))
    return done


class Rows:
    """The rows of one partition in a table of chunks."""

    def __init__(self, table: str, number: int, topic: str, partition: int) -> None:
        self._table = table
        self._number = number
        self._topic = topic
        self._partition = partition

    def find(
        self, connection: apsw.Connection, *, before_ms: int, below: int, bytes_max: int
    ) -> Removable | None:
        """Return the first rows that may go, judged by the last record of each."""
        end, records, size, until_ms = 0, 0, 0, 0
        blobs: list[str] = []
        for position, body in self._first(connection, below):
            held = count(body)
            written = _last_written_ms(body, held)
            if position + held > below or (written is not None and written >= before_ms):
                break
            if size and size + len(body) > bytes_max:
                break
            end, records, size = position + held, records + held, size + len(body)
            until_ms = max(until_ms, written or 0)
            blobs += _payloads(body, held, self._topic)
        if not end:
            return None
        return Removable(self._topic, self._partition, end, records, size, until_ms, blobs)

    def _first(self, connection: apsw.Connection, below: int) -> Iterator[tuple[int, bytes]]:
        number, partition = self._number, self._partition
        rows = connection.execute(
            f"SELECT place, body FROM {self._table} WHERE place >= ? AND place < ?"
            " ORDER BY place LIMIT ?",
            (place(number, partition, 0), place(number, partition, below), _ROWS_AT_ONCE),
        )
        for row_id, body in rows:
            yield position_of(row_id), body


def _delete(connection: apsw.Connection, number: int, what: Removable) -> None:
    """Delete the rows, and note where the partition begins now."""
    low, high = place(number, what.partition, 0), place(number, what.partition, what.end)
    with overwriting(connection):
        connection.execute("DELETE FROM log_chunk WHERE place >= ? AND place < ?", (low, high))
    # A record is written no earlier than the time in its key.
    connection.execute(
        "DELETE FROM log_span WHERE topic = ? AND partition = ? AND last_ms <= ? AND position < ?",
        (number, what.partition, what.until_ms, what.end),
    )
    connection.execute(
        "INSERT INTO log_start (topic, partition, position) VALUES (?, ?, ?)"
        " ON CONFLICT (topic, partition) DO UPDATE SET position = excluded.position"
        " WHERE excluded.position > log_start.position",
        (number, what.partition, what.end),
    )


def starts(connection: apsw.Connection) -> dict[tuple[int, int], int]:
    """Return where partitions begin, by (topic's number, partition), but for those at 0."""
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT topic, partition, position FROM log_start"
    ).fetchall()
    return {(topic, partition): position for topic, partition, position in rows}


def _first_written_ms(connection: apsw.Connection, number: int, partition: int) -> int | None:
    """Return when the first record that is left was written."""
    row: tuple[Any, ...] | None = connection.execute(
        "SELECT body FROM log_chunk WHERE place >= ? AND place < ? ORDER BY place LIMIT 1",
        (place(number, partition, 0), place(number, partition + 1, 0)),
    ).fetchone()
    if row is None:
        return None
    times = (written_ms(decode(record_of(row[0], index))) for index in range(count(row[0])))
    return next((each for each in times if each is not None), None)


def _last_written_ms(body: bytes, held: int) -> int | None:
    for index in range(held - 1, -1, -1):
        written = written_ms(decode(record_of(body, index)))
        if written is not None:
            return written
    return None


def _payloads(body: bytes, held: int, topic: str) -> Sequence[str]:
    if not topic.startswith("events.") or b"data-" not in body:
        return ()
    records = (decode(record_of(body, index)) for index in range(held))
    return [each.data_ref for each in records if isinstance(each, Event) and each.data_ref]
