"""The event log in SQLite: a row per chunk of records, positions given on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import apsw

from tocsin.adapters.sqlite import log_rows
from tocsin.adapters.sqlite.chunk import count, pack, slices, unpack
from tocsin.adapters.sqlite.connection import Readers
from tocsin.adapters.sqlite.late_chunks import LateChunks
from tocsin.adapters.sqlite.log_removal import LogRemoval, starts
from tocsin.adapters.sqlite.log_rows import chunk as chunk_row
from tocsin.adapters.sqlite.log_rows import chunk_at, time_span
from tocsin.adapters.sqlite.log_write import ChunkRow, LogWrite, SpanRow
from tocsin.adapters.sqlite.tail import Place, Tail, Waiters
from tocsin.adapters.sqlite.topics import Topics, place, position_of
from tocsin.adapters.sqlite.transaction import Essential
from tocsin.adapters.sqlite.writer import Writer
from tocsin.domain.records import Poison, Record, decode, encode_all
from tocsin.domain.topics import BROADCASTS
from tocsin.ports.log import Batch, Follow, Output, PreparedWrite, Projection, Step
from tocsin.ports.log import Place as LogPlace

_TAIL_RECORDS: Final = 8_192
_CHUNK_BYTES: Final = 256 * 1024
# Inbox pages cut single records out of many chunks, and reading a row reads all of it.
_INBOX_CHUNK_BYTES: Final = 48 * 1024

_SINGLE: Final = frozenset({BROADCASTS})


class SqliteLog:
    """
    `tocsin.ports.log.Log` on one file.

    Positions are given out in the order of the calls, on the loop; the writer commits in the same
    order, so what is durable is always a prefix, but for the records of a step that failed.
    """

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        connection: apsw.Connection,
        *,
        partitions: int,
        incarnation: int,
        shares_views: bool,
    ) -> None:
        """Read topics and ends through *connection*, which is not kept."""
        self.partitions = partitions
        self.incarnation = incarnation
        self._writer = writer
        self._readers = readers
        self._shares_views = shares_views
        self._topics = Topics(connection)
        self._tails: dict[Place, Tail] = {}
        self._next: dict[Place, int] = {}
        self._waiters = Waiters()
        self._pending: dict[Place, tuple[list[Record], list[bytes]]] = {}
        self._flushing: asyncio.Future[None] | None = None
        self._starts: dict[Place, int] = {}
        self._late = LateChunks()
        self._load_ends(connection)
        self.keeping = LogRemoval(
            writer, readers, self._topics, self._tails, self._starts, self._late
        )
        """What removes and overwrites: `tocsin.ports.keeping.LogKeeping`."""

    @property
    def atomic_with_views(self) -> bool:
        """Whether a step's transaction can write views."""
        return self._shares_views

    def partition_of(self, topic: str, key: int) -> int:
        """Return the partition for a hash or a recipient's number."""
        return 0 if topic in _SINGLE else key % self.partitions

    def end(self, topic: str, partition: int) -> int:
        """Return the position after the last durable record."""
        tail = self._tails.get((topic, partition))
        return tail.durable if tail is not None else 0

    def ends(self) -> dict[Place, int]:
        """Return the position after the last durable record of every partition."""
        return {where: tail.durable for where, tail in self._tails.items()}

    async def append(self, outputs: Sequence[Output]) -> Sequence[Batch]:
        """Make *outputs* durable; all that is appended in one turn of the loop is one commit."""
        # Before anything is gathered: what cannot be encoded concerns nobody but its caller.
        encoded = [encode_all(output.records) for output in outputs]
        batches = []
        for output, bodies in zip(outputs, encoded, strict=True):
            where = (output.topic, output.partition)
            first = self._next.get(where, 0)
            self._next[where] = first + len(output.records)
            pending = self._pending.setdefault(where, ([], []))
            pending[0].extend(output.records)
            pending[1].extend(bodies)
            batches.append(Batch(output.topic, output.partition, first, output.records))
        if self._flushing is None:
            loop = asyncio.get_running_loop()
            self._flushing = loop.create_future()
            loop.call_soon(self._flush)
        # One caller that is cancelled (its client hung up) must not cancel everybody's commit.
        await asyncio.shield(self._flushing)
        return batches

    async def commit(self, step: Step, follow: Follow | None = None) -> Sequence[Batch]:
        """Make outputs, positions and, with *follow*, what follows from them durable as one."""
        if follow is not None and not self._shares_views:
            raise TypeError("the views of this layout are in another file: they follow by reading")
        self._flush()
        batches = [self._assign(output) for output in step.outputs]
        if follow is None:
            await asyncio.shield(self._submit(batches, (), step))
            return batches
        derived = [output for batch in tuple(batches) for output in follow.derive(batch)]
        batches.extend(self._assign(output) for output in derived)
        concerned = [
            (projection, [each for each in batches if projection.follows(each.topic)])
            for projection in follow.projections
        ]
        writes = [projection.prepare(some) for projection, some in concerned if some]
        try:
            future = self._submit(batches, writes, step)
        except Exception:
            _undo(writes)
            raise
        # Not after the await: whoever waits may be cancelled, and the step is kept all the same.
        future.add_done_callback(partial(_followed, concerned, writes))
        await asyncio.shield(future)
        return batches

    async def acquire(self, group: str, topic: str, partition: int) -> tuple[int, int]:
        """Become the owner of a partition for *group*."""

        def take(connection: apsw.Connection) -> tuple[int, int]:
            connection.execute(
                "INSERT INTO log_position (reader, topic, partition, position, epoch)"
                " VALUES (?, ?, ?, ?, 1)"
                " ON CONFLICT (reader, topic, partition) DO UPDATE SET epoch = epoch + 1",
                (group, topic, partition, self._starts.get((topic, partition), 0)),
            )
            rows: list[tuple[Any, ...]] = connection.execute(
                "SELECT epoch, position FROM log_position"
                " WHERE reader = ? AND topic = ? AND partition = ?",
                (group, topic, partition),
            ).fetchall()
            return rows[0][0], rows[0][1]

        return await self._writer.submit(take)

    async def read(self, topic: str, partition: int, position: int, *, records_max: int) -> Batch:
        """Return records from *position* on: from memory when it is recent, else from the file."""
        tail = self._tails.get((topic, partition))
        if tail is None:
            return Batch(topic, partition, position, ())
        found = tail.read(position, records_max)
        if found is None:
            found = await self._read_file(topic, partition, position, records_max)
        return Batch(topic, partition, found[0], found[1])

    async def wait(self, positions: Mapping[Place, int]) -> None:
        """Return when any of the partitions grows past its position."""
        await self._waiters.wait(positions, self._tails)

    async def committed(self, group: str) -> Mapping[Place, int]:
        """Return the positions of *group*."""

        def select(connection: apsw.Connection) -> dict[Place, int]:
            rows = connection.execute(
                "SELECT topic, partition, position FROM log_position WHERE reader = ?", (group,)
            )
            return {(topic, partition): position for topic, partition, position in rows}

        return await self._readers.run(select)

    async def covering(self, topic: str, partition: int, at_ms: int) -> Sequence[Batch]:
        """Return the chunks that may hold a record stamped *at_ms*."""
        number = self._topics.find(topic)
        if number is None:
            return ()

        return await self._readers.run(
            lambda connection: log_rows.covering(connection, number, topic, partition, at_ms)
        )

    async def spans(
        self, topic: str, partition: int, since_ms: int, until_ms: int | None = None
    ) -> Sequence[tuple[int, int]]:
        """Return (first, end) of the chunks whose records may be stamped in [since, until)."""
        number = self._topics.find(topic)
        if number is None:
            return ()

        return await self._readers.run(
            lambda connection: log_rows.spans(connection, number, partition, since_ms, until_ms)
        )

    async def pick(self, places: Sequence[LogPlace]) -> Mapping[LogPlace, Record | Poison]:
        """Return single records: the newest from memory, all others in one job."""
        wanted: dict[Place, list[int]] = {}
        for topic, partition, position in places:
            wanted.setdefault((topic, partition), []).append(position)
        found: dict[LogPlace, Record | Poison] = {}
        stored = []
        for (topic, partition), positions in wanted.items():
            positions.sort()
            held = self._held(topic, partition, positions)
            found |= {(topic, partition, at): record for at, record in held.items()}
            durable, number = self.end(topic, partition), self._topics.find(topic)
            older = [at for at in positions if at not in held and at < durable]
            if older and number is not None:
                stored.append((topic, partition, number, older))
        if stored:
            mark = self._late.mark
            read, chunks = await self._readers.run(
                lambda connection: log_rows.pick(connection, stored)
            )
            self._late.keep(chunks, mark)
            found |= read
        return found

    def _held(
        self, topic: str, partition: int, positions: Sequence[int]
    ) -> dict[int, Record | Poison]:
        """Return what memory has of a partition's ascending *positions*."""
        tail = self._tails.get((topic, partition))
        if tail is None:
            return {}
        recent = tail.pick(positions)
        if len(recent) == len(positions):
            return recent
        older = [at for at in positions if at not in recent]
        return recent | self._late.pick((topic, partition), older)

    def chunk_of(
        self, connection: apsw.Connection, topic: str, partition: int, position: int
    ) -> tuple[int, bytes] | None:
        """Return (first position, chunk) of the row that holds *position*; for views beside it."""
        number = self._topics.find(topic)
        if number is None:
            return None
        return chunk_at(connection, number, partition, position)

    def _load_ends(self, connection: apsw.Connection) -> None:
        begins = starts(connection)
        for name in self._topics.names():
            number = self._topics.find(name)
            assert number is not None
            for partition in range(self.partitions):
                begin = begins.get((number, partition), 0)
                if begin:
                    self._starts[name, partition] = self._next[name, partition] = begin
                    self._tails[name, partition] = Tail(begin, _TAIL_RECORDS)
                last: tuple[Any, ...] | None = connection.execute(
                    "SELECT place, body FROM log_chunk WHERE place BETWEEN ? AND ?"
                    " ORDER BY place DESC LIMIT 1",
                    (place(number, partition, 0), place(number, partition + 1, 0) - 1),
                ).fetchone()
                if last is not None:
                    end = position_of(last[0]) + count(last[1])
                    self._next[name, partition] = end
                    self._tails[name, partition] = Tail(end, _TAIL_RECORDS)

    def _assign(self, output: Output) -> Batch:
        where = (output.topic, output.partition)
        first, bodies = self._next.get(where, 0), encode_all(output.records)
        self._next[where] = first + len(bodies)
        return Batch(output.topic, output.partition, first, output.records, bodies)

    def _flush(self) -> None:
        """Submit what `append` has gathered in this turn of the loop, as one operation."""
        flushing, self._flushing = self._flushing, None
        if flushing is None:
            return
        pending, self._pending = self._pending, {}
        batches = [
            Batch(where[0], where[1], self._next[where] - len(bodies), records, bodies)
            for where, (records, bodies) in pending.items()
        ]
        try:
            future = self._submit(batches, (), None)
        except Exception as error:  # noqa: BLE001  # told to everyone who waits for this flush
            flushing.set_exception(error)
            return
        future.add_done_callback(partial(_pass_on, flushing))

    def _submit(
        self,
        batches: Sequence[Batch],
        writes: Sequence[PreparedWrite],
        step: Step | None,
    ) -> asyncio.Future[None]:
        chunks, spans = self._rows(batches)
        sources = step.sources if step is not None else ()
        write = LogWrite(sources, chunks, spans, writes)
        # Only a step can be fenced; what is merely appended is never undone alone.
        future = self._writer.submit(Essential(write) if step is None else write)
        future.add_done_callback(partial(self._durable, batches))
        return future

    def _durable(self, batches: Iterable[Batch], future: asyncio.Future[None]) -> None:
        if future.cancelled() or future.exception() is not None:
            return
        for batch in batches:
            where = (batch.topic, batch.partition)
            tail = self._tails.get(where)
            if tail is None:
                tail = self._tails[where] = Tail(batch.position, _TAIL_RECORDS)
            # Without the bodies: objects and bytes would take twice the room.
            tail.grow(Batch(batch.topic, batch.partition, batch.position, batch.records))
            self._waiters.wake(where)

    def _rows(self, batches: Sequence[Batch]) -> tuple[list[ChunkRow], list[SpanRow]]:
        chunks: list[ChunkRow] = []
        spans: list[SpanRow] = []
        for batch in batches:
            number = self._topics.number(batch.topic, self._writer.enqueue)
            bytes_max = _INBOX_CHUNK_BYTES if batch.topic.startswith("inbox") else _CHUNK_BYTES
            bodies = batch.bodies
            assert bodies is not None
            for first, end in slices(bodies, bytes_max):
                position = batch.position + first
                first_ms, last_ms = time_span(batch.records[first:end])
                chunks.append((place(number, batch.partition, position), pack(bodies[first:end])))
                spans.append((number, batch.partition, last_ms, position, first_ms, end - first))
        return chunks, spans

    async def _read_file(
        self, topic: str, partition: int, position: int, records_max: int
    ) -> tuple[int, list[Record | Poison]]:
        number = self._topics.find(topic)
        durable = self.end(topic, partition)
        if number is None:
            return position, []

        def select(connection: apsw.Connection) -> tuple[int, list[Record | Poison]]:
            at = chunk_at(connection, number, partition, position)
            if at is None:
                # All that came after it was removed.
                return durable, []
            begin, chunk = at
            first = max(position, begin)
            bodies = list(unpack(chunk, first - begin))
            while len(bodies) < records_max:
                following = chunk_row(connection, number, partition, first + len(bodies))
                if following is None:
                    break
                bodies.extend(unpack(following))
            kept = bodies[: min(records_max, durable - first)]
            return first, [decode(body) for body in kept]

        return await self._readers.run(select)


def _followed(
    concerned: Sequence[tuple[Projection, Sequence[Batch]]],
    writes: Sequence[PreparedWrite],
    future: asyncio.Future[None],
) -> None:
    """Tell the views what became of a step that wrote them."""
    if future.exception() is not None:
        _undo(writes)
        return
    for projection, some in concerned:
        if some:
            projection.applied(some)


def _undo(writes: Iterable[PreparedWrite]) -> None:
    for write in writes:
        write.undo()


def _pass_on(flushing: asyncio.Future[None], future: asyncio.Future[None]) -> None:
    if flushing.done():
        return
    error = future.exception()
    if error is None:
        flushing.set_result(None)
    else:
        flushing.set_exception(error)
