"""
One step's rows, written in as few statements as there can be.

Each call into SQLite lets the interpreter go and takes it back, and under load taking it back can
take a whole switch interval: a commit of thirty small statements would wait thirty times.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Final

import apsw

from tocsin.errors import Fenced
from tocsin.ports.log import PreparedWrite, Source

ChunkRow = tuple[int, bytes]
"""(place, body)."""
SpanRow = tuple[int, int, int, int, int, int]
"""(topic, partition, last ms, position, first ms, records)."""

_ROWS_AT_ONCE: Final = 64


class LogWrite:
    """The operation of one `tocsin.adapters.sqlite.log.SqliteLog.commit` or of one flush."""

    __slots__ = ("_chunks", "_sources", "_spans", "_writes")

    def __init__(
        self,
        sources: Sequence[Source],
        chunks: Sequence[ChunkRow],
        spans: Sequence[SpanRow],
        writes: Sequence[PreparedWrite],
    ) -> None:
        self._sources = sources
        self._chunks = chunks
        self._spans = spans
        self._writes = writes

    def __call__(self, connection: apsw.Connection) -> None:
        """Move the positions, or raise `Fenced`; then write records and views."""
        if self._sources:
            _advance(connection, self._sources)
        _insert(connection, "log_chunk (place, body)", 2, self._chunks)
        columns = "log_span (topic, partition, last_ms, position, first_ms, records)"
        _insert(connection, columns, 6, self._spans)
        for write in self._writes:
            write(connection)


def _advance(connection: apsw.Connection, sources: Sequence[Source]) -> None:
    rows = [(s.position, s.group, s.topic, s.partition, s.epoch, s.previous) for s in sources]
    connection.execute(_advance_sql(len(rows)), tuple(chain.from_iterable(rows)))
    if connection.changes() != len(rows):
        lost = ", ".join(f"{each.topic}/{each.partition}" for each in sources)
        raise Fenced(f"{sources[0].group} no longer owns all of {lost}")


def _insert(
    connection: apsw.Connection, into: str, width: int, rows: Sequence[tuple[int | bytes, ...]]
) -> None:
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[first : first + _ROWS_AT_ONCE]
        sql = _insert_sql(into, width, len(some))
        connection.execute(sql, tuple(chain.from_iterable(some)))


@lru_cache(maxsize=256)
def _insert_sql(into: str, width: int, rows: int) -> str:
    return f"INSERT INTO {into} VALUES {_marks(width, rows)}"


@lru_cache(maxsize=256)
def _advance_sql(rows: int) -> str:
    return (
        f"WITH moved (position, reader, topic, partition, epoch, previous) AS"
        f" (VALUES {_marks(6, rows)})"
        " UPDATE log_position SET position = moved.position FROM moved"
        " WHERE log_position.reader = moved.reader AND log_position.topic = moved.topic"
        " AND log_position.partition = moved.partition AND log_position.epoch = moved.epoch"
        " AND log_position.position = moved.previous"
    )


def _marks(width: int, rows: int) -> str:
    one = f"({','.join('?' * width)})"
    return ",".join([one] * rows)
