"""
A durable set of entries of one width, found by key, that is cheap to add to in any order.

A b-tree on random keys writes a page per entry. Here an addition is one row at the end of a
table and a few places in memory; in the background the youngest entries become sorted runs, and
runs become larger ones (a log-structured merge). An entry is written about four times in all,
always in sequence.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Collection, Iterable, Sequence
from functools import partial

import apsw
import msgspec
from pyroaring import BitMap

from tocsin.adapters.sqlite.connection import Readers
from tocsin.adapters.sqlite.run_lookup import bounds, entries_between
from tocsin.adapters.sqlite.run_merge import (
    ListSource,
    Merge,
    RunSource,
    Source,
    sorted_chunks,
    split,
)
from tocsin.adapters.sqlite.run_tables import Run, RunTables, key_prefixes
from tocsin.adapters.sqlite.run_tail import Addition, Generation, PendingAddition, Tail
from tocsin.adapters.sqlite.writer import Writer

# Neighbouring partitions share a filter: one look answers for all of them, and the filter is
# let go as a whole with the last of them.
_PARTITIONS_PER_SCREEN = 8

WEEK_MS = 7 * 86_400_000
"""Entries about one week go together: into a partition of their own, and away with it."""

# Blocks deleted in one operation of the writer: about a millisecond.
_DELETE_BLOCKS = 256


class RunPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When entries move, and in what portions."""

    tail_entries: int = 65_536
    """A partition's tail of so many entries is written as a run."""
    tail_rows: int = 8_192
    """So many rows, too: they are deleted in one transaction."""
    fan_in: int = 8
    """So many runs of one level become one of the next."""
    slice_entries: int = 8_192
    """Entries that are merged, and written, in one go: a few milliseconds."""


class IndexRuns:
    """
    A set of entries of ``entry_bytes``, each beginning with its key of ``key_bytes``.

    All methods are called on the loop's thread, except ``create``, ``load`` and ``run_find``,
    which run where their connection lives.

    Visible: :meth:`add` shows its entries to lookups in this process at once, before they are
    durable. An answer that must not outlive a crash waits for the commit that makes them so.
    Duplicates: adding an entry twice changes nothing; one key may have many entries.
    Partitions: runs never mix them, and one is dropped as a whole.

    The writer may be stopped at any statement: every entry whose addition was committed is
    found again after :meth:`load`, in the tail, in runs, or in both, and answers name it once.
    """

    def __init__(
        self,
        name: str,
        *,
        entry_bytes: int,
        key_bytes: int,
        readers: Readers,
        writer: Writer,
        policy: RunPolicy = RunPolicy(),  # noqa: B008  # frozen
    ) -> None:
        """
        Describe the index; :meth:`create` and :meth:`load` come before its use.

        Widths are multiples of four. A key's first four bytes should differ between keys.
        """
        if key_bytes % 4 or entry_bytes % 4 or not 4 <= key_bytes <= entry_bytes:
            raise ValueError("widths are multiples of four, and an entry begins with its key")
        self.name = name
        self._tables = RunTables(name)
        self._entry_bytes = entry_bytes
        self._key_bytes = key_bytes
        self._readers = readers
        self._writer = writer
        self._policy = policy
        self._tails: dict[int, Tail] = {}
        self._runs: dict[int, Run] = {}
        self._screens: dict[int, BitMap] = {}
        self._next_seq = 1
        self._next_run = 1
        self._changing = asyncio.Lock()

    # ------------------------------------------------------------ start

    def create(self, connection: apsw.Connection) -> None:
        """Make the tables where they are missing. An operation for the writer."""
        self._tables.create(connection)

    def load(self, connection: apsw.Connection) -> None:
        """
        Rebuild what memory holds. Reads the tail and the runs' filters, not their entries.

        Called once, before anything else uses the index.
        """
        self._next_seq, self._next_run = self._tables.next_numbers(connection)
        for seq, part, joined in self._tables.read_tail(connection):
            addition = Addition(seq, part, split(joined, self._entry_bytes))
            self._tail(part).growing.add(addition)
        for run in self._tables.read_runs(connection, self._tables.live_runs(connection)):
            self._know(run)

    # ------------------------------------------------------------ add and find

    def add(self, entries: Sequence[bytes], *, partition: int = 0) -> PendingAddition:
        """
        Show entries to lookups, and return what makes them durable.

        The caller runs the result once inside a transaction of its own; entries of one call
        become durable together. Do not add to a partition that has been dropped.
        """
        joined = b"".join(entries)
        if len(joined) != len(entries) * self._entry_bytes:
            raise ValueError(f"entries of {self._tables.name} have {self._entry_bytes} bytes")
        seq = self._next_seq
        self._next_seq += 1
        self._tail(partition).growing.add(Addition(seq, partition, entries))
        return PendingAddition(self._tables, seq, partition, joined)

    def retract(self, addition: PendingAddition) -> None:
        """Take back an addition whose transaction failed."""
        tail = self._tails.get(addition.part)
        if tail is not None:
            tail.retract(addition.seq)

    async def find(
        self,
        keys: Sequence[bytes],
        *,
        partitions: Collection[int] | None = None,
        limit: int | None = None,
        below: bytes | None = None,
    ) -> dict[bytes, list[bytes]]:
        """
        Entries by key, ascending, each once; keys without entries are left out.

        ``limit`` keeps the last entries of each key; ``below`` leaves out those whose bytes
        after the key are not less. Keys that no run can hold cost no access to the disk.
        """
        found = self.tail_find(keys, partitions=partitions)
        likely = self.screen(keys, partitions=partitions)
        if likely:
            stored = await self._readers.run(
                lambda connection: self.run_find(
                    connection, likely, partitions=partitions, limit=limit, below=below
                )
            )
            for key, entries in stored.items():
                found.setdefault(key, []).extend(entries)
        return self.settle(found, limit=limit, below=below)

    def tail_find(
        self, keys: Sequence[bytes], *, partitions: Collection[int] | None = None
    ) -> dict[bytes, list[bytes]]:
        """
        The entries in memory: unsorted, perhaps repeated, without limit.

        To miss nothing, ask here *before* the snapshot for :meth:`run_find` is taken: entries
        only ever move from the tail to the runs.
        """
        found: dict[bytes, list[bytes]] = {}
        for part, tail in self._tails.items():
            if partitions is None or part in partitions:
                tail.find(keys, found)
        return found

    def screen(
        self, keys: Sequence[bytes], *, partitions: Collection[int] | None = None
    ) -> list[bytes]:
        """Those of the keys that a run may hold; certainly none of the others is in one."""
        wanted = None if partitions is None else {p // _PARTITIONS_PER_SCREEN for p in partitions}
        screens = [s for n, s in self._screens.items() if wanted is None or n in wanted]
        if not screens or not keys:
            return []
        prefixes = key_prefixes(b"".join(keys), self._key_bytes)
        if len(screens) == 1:
            (only,) = screens
            return [k for k, p in zip(keys, prefixes, strict=True) if p in only]
        likely: dict[bytes, None] = {}
        for each in screens:
            likely |= {k: None for k, p in zip(keys, prefixes, strict=True) if p in each}
        return list(likely)

    def run_find(
        self,
        connection: apsw.Connection,
        keys: Sequence[bytes],
        *,
        partitions: Collection[int] | None = None,
        limit: int | None = None,
        below: bytes | None = None,
    ) -> dict[bytes, list[bytes]]:
        """
        The entries in the runs of the connection's snapshot; ordered within a run only.

        ``limit`` holds per run: :meth:`settle` makes the answer of it. Runs in a reader thread.
        """
        prefixes = key_prefixes(b"".join(keys), self._key_bytes)
        found: dict[bytes, list[bytes]] = {}
        for number in self._tables.live_runs(connection):
            run = self._runs.get(number)
            if run is None:
                # Retired meanwhile, although this older snapshot still counts it.
                (run,) = self._tables.read_runs(connection, [number])
            if partitions is not None and run.part not in partitions:
                continue
            held = run.keys
            likely = [k for k, p in zip(keys, prefixes, strict=True) if p in held]
            for key in likely:
                low, high = bounds(key, below, self._entry_bytes)
                entries = entries_between(
                    connection, self._tables, run, low, high, self._entry_bytes, limit
                )
                if entries:
                    found.setdefault(key, []).extend(entries)
        return found

    def settle(
        self,
        found: dict[bytes, list[bytes]],
        *,
        limit: int | None = None,
        below: bytes | None = None,
    ) -> dict[bytes, list[bytes]]:
        """Make one answer of what the tail and the runs gave: sorted, each once, limited."""
        answer = {}
        for key, entries in found.items():
            kept = sorted(set(entries))
            if below is not None:
                high = key + below
                kept = [entry for entry in kept if entry < high]
            if kept and limit != 0:
                answer[key] = kept if limit is None else kept[-limit:]
        return answer

    # ------------------------------------------------------------ background

    async def merge_if_needed(self) -> int:
        """
        Write tails that have grown as runs, merge runs of one level, delete what is left over.

        Returns how many runs it wrote. Work is cut into slices of a few milliseconds, computed
        in a reader thread and written between the writer's other operations. What fails here
        is tried again at the next call.
        """
        written = 0
        async with self._changing:
            for part in [part for part in self._tails if self._is_due(part)]:
                written += await self._write_tail(part)
            while (group := self._full_level()) is not None:
                await self._merge_runs(group)
                written += 1
            await self._delete_unwanted()
        return written

    async def drop(self, partition: int) -> None:
        """
        Forget a partition, durably; its space is given back by :meth:`merge_if_needed`.

        The caller adds nothing to it any more, and has no addition to it under way.
        """
        async with self._changing:
            await self._writer.submit(partial(self._tables.drop_partition, part=partition))
            self._tails.pop(partition, None)
            for run in [run for run in self._runs.values() if run.part == partition]:
                del self._runs[run.number]
            screen = partition // _PARTITIONS_PER_SCREEN
            if all(run.part // _PARTITIONS_PER_SCREEN != screen for run in self._runs.values()):
                self._screens.pop(screen, None)

    @property
    def partitions(self) -> set[int]:
        """The partitions that hold something."""
        return self._tails.keys() | {run.part for run in self._runs.values()}

    def _tail(self, part: int) -> Tail:
        tail = self._tails.get(part)
        if tail is None:
            tail = self._tails[part] = Tail(self._key_bytes)
        return tail

    def _know(self, run: Run) -> None:
        self._runs[run.number] = run
        screen = run.part // _PARTITIONS_PER_SCREEN
        if screen in self._screens:
            self._screens[screen] |= run.keys
        else:
            self._screens[screen] = BitMap(run.keys)

    def _is_due(self, part: int) -> bool:
        tail = self._tails[part]
        # What no longer grows is written sooner: otherwise old tails would add up in memory.
        portion = 1 if part == max(self._tails) else 16
        return tail.sealed is not None or (
            tail.growing.entries * portion >= self._policy.tail_entries
            or len(tail.growing.additions) * portion >= self._policy.tail_rows
        )

    async def _write_tail(self, part: int) -> int:
        tail = self._tails[part]
        sealed = tail.seal()
        # Only what is committed may enter a run: an addition that is rolled back later could
        # not be taken out of it again.
        additions, chunks = await self._readers.run(partial(self._sort, part, sealed))
        numbers = [addition.seq for addition in additions]
        if chunks:
            sources = [ListSource(chunk) for chunk in chunks]
            await self._write_run(part, 0, sources, tail=numbers)
        tail.written(numbers)
        if not tail.growing.additions and part != max(self._tails):
            del self._tails[part]
        return bool(chunks)

    def _sort(
        self, part: int, sealed: Generation, connection: apsw.Connection
    ) -> tuple[list[Addition], list[list[bytes]]]:
        committed = self._tables.tail_numbers(connection, part)
        additions = [a for seq, a in list(sealed.additions.items()) if seq in committed]
        chunk = max(1, self._policy.slice_entries // 2)
        return additions, sorted_chunks((a.entries for a in additions), chunk)

    def _full_level(self) -> list[Run] | None:
        levels: dict[tuple[int, int], list[Run]] = {}
        for run in self._runs.values():
            level = levels.setdefault((run.part, run.level), [])
            level.append(run)
            if len(level) >= self._policy.fan_in:
                return level
        return None

    async def _merge_runs(self, group: list[Run]) -> None:
        sources = [RunSource(self._tables, run, self._entry_bytes) for run in group]
        merged = [run.number for run in group]
        await self._write_run(group[0].part, group[0].level + 1, sources, merged=merged)
        for number in merged:
            del self._runs[number]

    async def _write_run(
        self,
        part: int,
        level: int,
        sources: Sequence[Source],
        *,
        merged: Sequence[int] = (),
        tail: Iterable[int] = (),
    ) -> None:
        number = self._next_run
        self._next_run += 1
        tables, submit = self._tables, self._writer.submit
        await submit(partial(tables.begin_run, run=number, part=part, level=level))
        merge = Merge(
            sources,
            entry_bytes=self._entry_bytes,
            slice_entries=self._policy.slice_entries,
        )
        fences: array[int] = array("Q")
        keys = BitMap()
        while (piece := await self._readers.run(merge.next_slice)) is not None:
            await submit(
                partial(tables.write_slice, run=number, first_block=len(fences), part=piece)
            )
            fences += piece.fences
            keys |= piece.keys
        run = Run(number, part, level, merge.entries, fences, keys)
        # Before it counts: a snapshot may see it as soon as the commit is done.
        self._know(run)
        try:
            await submit(partial(tables.finish_run, run=run, merged=merged, tail=tail))
        except Exception:
            del self._runs[number]
            raise

    async def _delete_unwanted(self) -> None:
        for number in await self._readers.run(self._tables.unwanted_runs):
            some = partial(self._tables.delete_some, run=number, blocks=_DELETE_BLOCKS)
            while not await self._writer.submit(some):
                pass
