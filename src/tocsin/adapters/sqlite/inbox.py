"""The inbox in SQLite: an index of small entries over the bodies that lie in the log's chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import apsw

from tocsin.adapters.sqlite.chunk import count as count_of
from tocsin.adapters.sqlite.chunk import record
from tocsin.adapters.sqlite.connection import Readers
from tocsin.adapters.sqlite.inbox_broadcasts import BROADCAST_STREAM, Broadcasts
from tocsin.adapters.sqlite.inbox_entries import KEY_BYTES, Entry, pack, unpack
from tocsin.adapters.sqlite.inbox_floors import Floors
from tocsin.adapters.sqlite.inbox_states import (
    States,
    read_changes,
    states_of,
    write_changes,
)
from tocsin.adapters.sqlite.runs import WEEK_MS, IndexRuns
from tocsin.adapters.sqlite.view_marks import ViewMarks
from tocsin.domain.inbox import Counts, count
from tocsin.domain.records import Broadcast, Item, StateChange, decode
from tocsin.domain.topics import BROADCASTS, STATES_STREAM, STREAMS, stream_of
from tocsin.ports.log import Batch
from tocsin.ports.views import Missed, StoredItem

Bodies = Callable[[apsw.Connection, str, int, int], tuple[int, bytes] | None]
"""(connection, topic, partition, position) → (first position, chunk) of the row that holds it."""


class InboxWrite:
    """One transaction's part of the inbox."""

    __slots__ = ("_additions", "_broadcasts", "_changes", "_runs", "_shown")

    def __init__(self, runs: IndexRuns, broadcasts: Broadcasts, batches: Sequence[Batch]) -> None:
        self._runs = runs
        self._broadcasts = broadcasts
        self._changes: list[tuple[int, StateChange]] = []
        self._shown: list[tuple[int, Broadcast]] = []
        weeks: dict[int, list[bytes]] = {}
        for batch in batches:
            stream = stream_of(batch.topic)
            for position, each in enumerate(batch.records, batch.position):
                if isinstance(each, Item):
                    entry = _entry(each, stream, batch.partition, position)
                    weeks.setdefault(each.visible_ms // WEEK_MS, []).append(entry)
                elif isinstance(each, StateChange):
                    self._changes.append((position, each))
                elif isinstance(each, Broadcast):
                    self._shown.append((position, each))
        self._additions = [runs.add(some, partition=week) for week, some in weeks.items()]

    def __call__(self, connection: apsw.Connection) -> None:
        """Write index, states and broadcasts."""
        for addition in self._additions:
            addition(connection)
        write_changes(connection, self._changes)
        for position, each in self._shown:
            self._broadcasts.write(connection, position, each)

    def undo(self) -> None:
        """Take the entries back out of memory."""
        for addition in self._additions:
            self._runs.retract(addition)


class SqliteInbox:
    """
    `tocsin.ports.views.InboxView`.

    *bodies* finds the row that holds a record: among the log's rows where they share a file, else
    among the view's own. *ends* is how far the view has come at the start, per (topic, partition).
    Entries enter memory just before they are durable; what lies at or after an end is not shown.
    """

    def __init__(
        self,
        runs: IndexRuns,
        readers: Readers,
        marks: ViewMarks,
        bodies: Bodies,
        *,
        ends: Mapping[tuple[str, int], int],
        partition_of: Callable[[str, int], int],
        keep_ms: int,
    ) -> None:
        """An item is shown for *keep_ms* after it became visible, as if it expired then."""
        self._runs = runs
        self._readers = readers
        self._marks = marks
        self.bodies = bodies
        self._applied = dict(ends)
        self._waiting: dict[asyncio.Future[None], Mapping[tuple[str, int], int]] = {}
        self.partition_of = partition_of
        self._keep_ms = keep_ms
        self.floors = Floors(partition_of)
        """Where changes begin that clients can still be told of."""
        self._broadcasts = Broadcasts()

    def prepare(self, batches: Sequence[Batch]) -> InboxWrite:
        """Return the write of *batches*."""
        return InboxWrite(self._runs, self._broadcasts, batches)

    def applied(self, batches: Sequence[Batch]) -> None:
        """Show what became durable, and let go whoever waits for it."""
        for batch in batches:
            where = (batch.topic, batch.partition)
            self._applied[where] = max(batch.end, self._applied.get(where, 0))
            if batch.topic == BROADCASTS:
                for position, each in enumerate(batch.records, batch.position):
                    if isinstance(each, Broadcast):
                        self._broadcasts.note(position, each.block)
        for future, ends in tuple(self._waiting.items()):
            if not future.done() and self._holds(ends):
                future.set_result(None)

    async def reached(self, ends: Mapping[tuple[str, int], int]) -> None:
        """Return when everything below *ends* is shown."""
        if self._holds(ends):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = ends
        try:
            await future
        finally:
            del self._waiting[future]

    def _holds(self, ends: Mapping[tuple[str, int], int]) -> bool:
        return all(self._applied.get(where, 0) >= end for where, end in ends.items())

    async def write(self, batches: Sequence[Batch]) -> None:
        """Apply *batches* in a transaction of the view's own file."""
        await self._marks.write(batches, self.prepare(batches))

    async def marks(self) -> Mapping[tuple[str, int], int]:
        """Return how far each partition is applied."""
        return await self._marks.all()

    async def items(
        self, recipient: int, *, before: bytes | None, limit: int
    ) -> Sequence[StoredItem]:
        """Return a page, newest first; it is shorter than *limit* at the end alone."""
        end = self._end(BROADCASTS, 0)
        entries = await self._entries(recipient, limit=limit, below=before)

        def read(connection: apsw.Connection) -> list[StoredItem]:
            states = States.read(connection, recipient)
            stored = self._stored(connection, entries, states)
            shown = self._shown(connection, recipient, states, end)
            merged = [each for each in shown if before is None or each.place < before]
            merged.extend(stored)
            merged.sort(key=_place, reverse=True)
            return merged[:limit]

        return await self._readers.run(read)

    async def by_key(self, recipient: int, keys: Sequence[bytes]) -> Sequence[StoredItem]:
        """Return those of *keys* that exist."""
        wanted = set(keys)
        end = self._end(BROADCASTS, 0)
        entries = [e for e in await self._entries(recipient) if e.key in wanted]

        def read(connection: apsw.Connection) -> list[StoredItem]:
            states = States.read(connection, recipient, keys)
            found = self._stored(connection, entries, states)
            shown = self._shown(connection, recipient, states, end)
            found.extend(item for item in shown if item.key in wanted)
            return found

        return await self._readers.run(read)

    async def counts(self, recipient: int, now_ms: int) -> Counts:
        """Count by entries and states; no body is read."""
        end = self._end(BROADCASTS, 0)
        entries = await self._entries(recipient)

        def read(connection: apsw.Connection) -> Counts:
            states = States.read(connection, recipient)
            own = ((self._ends_ms(e), states.of(e.key, e.place)) for e in reversed(entries))
            shared = (
                (self._ends_ms(s.record), states.of(key, s.place))
                for s, key in self._broadcasts.of(connection, recipient, end)
            )
            return count(chain(own, shared), now_ms)

        return await self._readers.run(read)

    async def unseen(self, recipients: Sequence[int], now_ms: int) -> Mapping[int, int]:
        """Count by entries and states, as `counts` does, in one read for all."""
        end = self._end(BROADCASTS, 0)
        keys = {one: one.to_bytes(KEY_BYTES, "big") for one in recipients}
        found = await self._runs.find(list(keys.values()))
        own = {one: self._durable(found.get(key, ())) for one, key in keys.items()}

        def read(connection: apsw.Connection) -> dict[int, int]:
            shared = {one: list(self._broadcasts.of(connection, one, end)) for one in recipients}
            # Who has nothing at all is most people, and costs no look at states.
            having = [one for one in recipients if own[one] or shared[one]]
            counted = {}
            for one, states in states_of(connection, having).items():
                pairs = chain(
                    ((self._ends_ms(e), states.of(e.key, e.place)) for e in reversed(own[one])),
                    ((self._ends_ms(s.record), states.of(k, s.place)) for s, k in shared[one]),
                )
                counted[one] = count(pairs, now_ms).unseen
            return {one: unseen for one, unseen in counted.items() if unseen}

        return await self._readers.run(read)

    async def missed(self, recipient: int, vector: Sequence[int], *, limit: int) -> Missed | None:
        """Return what came at or after *vector*."""
        ends = self.ends(recipient)
        if len(vector) != len(STREAMS) or any(v > end for v, end in zip(vector, ends, strict=True)):
            return None
        # By position and not by place: an item may become visible late with an early time.
        newer = [e for e in await self._entries(recipient) if e.position >= vector[e.stream]]
        if len(newer) > limit:
            return None

        def read(connection: apsw.Connection) -> Missed | None:
            states = States.read(connection, recipient)
            items = self._stored(connection, newer, states)
            shown = self._shown(connection, recipient, states, ends[BROADCAST_STREAM])
            items.extend(i for i in shown if i.position >= vector[BROADCAST_STREAM])
            rows = read_changes(connection, recipient, vector[STATES_STREAM], limit + 1)
            if len(items) + len(rows) > limit:
                return None
            items.sort(key=_place)
            changes = [(p, decode(body)) for p, body in rows if p < ends[STATES_STREAM]]
            return Missed(items, [(p, c) for p, c in changes if isinstance(c, StateChange)])

        found = await self._readers.run(read)
        # The floor rises before rows go: one that rose meanwhile may have taken what was asked for.
        return found if vector[STATES_STREAM] >= self.floors.of(recipient) else None

    def ends(self, recipient: int) -> tuple[int, ...]:
        """Return the end of each of the recipient's streams in this view."""
        return tuple(self._end(t, self.partition_of(t, recipient)) for t in STREAMS)

    async def entries(self, recipient: int) -> Sequence[Entry]:
        """Return the entries of all items that the recipient has or had, as far as they are held."""
        return await self._entries(recipient)

    def _ends_ms(self, item: Entry | Broadcast) -> int:
        kept_ms = item.visible_ms + self._keep_ms
        return kept_ms if item.expires_ms is None else min(item.expires_ms, kept_ms)

    def _end(self, topic: str, partition: int) -> int:
        return self._applied.get((topic, partition), 0)

    async def _entries(
        self, recipient: int, *, limit: int | None = None, below: bytes | None = None
    ) -> list[Entry]:
        """Return visible entries, oldest first: the newest *limit* below a place."""
        key = recipient.to_bytes(KEY_BYTES, "big")
        wanted = limit
        while True:
            found = (await self._runs.find([key], limit=wanted, below=below)).get(key, [])
            kept = self._durable(found)
            if wanted is None or limit is None or len(kept) >= limit or len(found) < wanted:
                return kept if limit is None else kept[-limit:]
            # Some of the newest are not durable yet: look further back for as many more.
            wanted *= 2

    def _durable(self, found: Iterable[bytes]) -> list[Entry]:
        entries = map(unpack, found)
        return [e for e in entries if e.position < self._end(STREAMS[e.stream], e.partition)]

    def _stored(
        self, connection: apsw.Connection, entries: Sequence[Entry], states: States
    ) -> list[StoredItem]:
        items = []
        for entry in entries:
            body = self._item(connection, entry)
            if body is not None:
                items.append(_stored(entry, body, states, self._ends_ms(entry)))
        return items

    def _item(self, connection: apsw.Connection, entry: Entry) -> Item | None:
        found = self.bodies(connection, STREAMS[entry.stream], entry.partition, entry.position)
        if found is None or not 0 <= entry.position - found[0] < count_of(found[1]):
            return None
        each = decode(record(found[1], entry.position - found[0]))
        return each if isinstance(each, Item) else None

    def _shown(
        self, connection: apsw.Connection, recipient: int, states: States, end: int
    ) -> Iterator[StoredItem]:
        for shown, key in self._broadcasts.of(connection, recipient, end):
            record = shown.record
            yield StoredItem(
                key=key,
                body=record.body,
                category=record.category,
                visible_ms=record.visible_ms,
                expires_ms=self._ends_ms(record),
                place=shown.place,
                stream=BROADCAST_STREAM,
                position=shown.position,
                state=states.of(key, shown.place),
                step=record.step,
                broadcast=record,
            )


def _entry(item: Item, stream: int, partition: int, position: int) -> bytes:
    return pack(
        item.recipient, item.visible_ms, stream, partition, position, item.key, item.expires_ms
    )


def _stored(entry: Entry, item: Item, states: States, ends_ms: int) -> StoredItem:
    return StoredItem(
        key=entry.key,
        body=item.body,
        category=item.category,
        visible_ms=entry.visible_ms,
        expires_ms=ends_ms,
        place=entry.place,
        stream=entry.stream,
        position=entry.position,
        state=states.of(entry.key, entry.place),
        step=item.step,
    )


def _place(item: StoredItem) -> bytes:
    return item.place
