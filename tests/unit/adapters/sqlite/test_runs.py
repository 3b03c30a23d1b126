"""An index of runs against a plain set, through merges, interruptions and restarts."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import apsw
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tocsin.adapters.sqlite.connection import Readers, open_reader
from tocsin.adapters.sqlite.run_tail import PendingAddition
from tocsin.adapters.sqlite.runs import IndexRuns, RunPolicy
from tocsin.adapters.sqlite.writer import Writer

T = TypeVar("T")

KEY_BYTES = 8
# Seven entries fill a block, so that a handful of additions makes runs of several blocks.
ENTRY_BYTES = 560
SMALL = RunPolicy(tail_entries=8, tail_rows=4, fan_in=2, slice_entries=16)

# Few keys, close together and at both ends; the first eight bytes are the key, so blocks that
# begin inside one key have the same fence.
KEYS = [bytes(KEY_BYTES), b"\0" * 7 + b"\1", b"same" + bytes(4), b"same\0\0\0\1", b"\xff" * 8]


def entry(key: bytes, value: int) -> bytes:
    return key + value.to_bytes(2, "big") + bytes(ENTRY_BYTES - KEY_BYTES - 2)


keys = st.sampled_from(KEYS)
entries = st.builds(entry, keys, st.integers(0, 60))
partitions = st.integers(0, 2)


def entries_stored_and_counted(connection: apsw.Connection) -> tuple[int, int]:
    stored = connection.execute("SELECT coalesce(sum(length(entries)), 0) FROM test_blocks").get
    counted = connection.execute("SELECT coalesce(sum(entries), 0) FROM test_runs").get
    return stored // ENTRY_BYTES, counted


class Interrupted(Exception):
    """Stands for the end of the process."""


class FusedWriter(Writer):
    """Breaks off when its fuse has burnt down, as a process does that is killed."""

    fuse: int | None = None

    def submit(
        self, operation: Callable[[apsw.Connection], T], *, urgent: bool = False
    ) -> asyncio.Future[T]:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                raise Interrupted
        return super().submit(operation, urgent=urgent)


def fail(error: BaseException) -> None:
    raise error


class IndexMachine(RuleBasedStateMachine):
    """The index, and what it must hold."""

    def __init__(self) -> None:
        super().__init__()
        # Hypothesis tears down only what was made whole, and what a teardown began may not end.
        with ExitStack() as made:
            self.path = Path(made.enter_context(tempfile.TemporaryDirectory())) / "runs.db"
            self.runner = made.enter_context(asyncio.Runner())
            self.run(self.open())
            made.callback(lambda: self.run(self.close()))
            self.made = made.pop_all()
        self.model: dict[int, set[bytes]] = {}
        self.pending: list[tuple[PendingAddition, int, list[bytes]]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def open(self) -> None:
        self.writer = FusedWriter(self.path, on_fatal=fail, checkpoint=None)
        self.readers = Readers(self.path, threads=1)
        self.index = IndexRuns(
            "test",
            entry_bytes=ENTRY_BYTES,
            key_bytes=KEY_BYTES,
            readers=self.readers,
            writer=self.writer,
            policy=SMALL,
        )
        await self.writer.submit(self.index.create)
        connection = open_reader(self.path)
        self.index.load(connection)
        connection.close()

    async def close(self) -> None:
        self.readers.close()
        self.writer.close()

    def teardown(self) -> None:
        self.made.close()

    @rule(part=partitions, added=st.lists(entries, min_size=1, max_size=9))
    def add(self, part: int, added: list[bytes]) -> None:
        async def work() -> None:
            await self.writer.submit(self.index.add(added, partition=part))

        self.run(work())
        self.model.setdefault(part, set()).update(added)

    @rule(part=partitions, added=st.lists(entries, min_size=1, max_size=9))
    def begin_addition(self, part: int, added: list[bytes]) -> None:
        self.pending.append((self.index.add(added, partition=part), part, added))

    @precondition(lambda self: self.pending)
    @rule()
    def commit_addition(self) -> None:
        async def work(addition: PendingAddition) -> None:
            await self.writer.submit(addition)

        addition, part, added = self.pending.pop(0)
        self.run(work(addition))
        self.model.setdefault(part, set()).update(added)

    @precondition(lambda self: self.pending)
    @rule()
    def retract_addition(self) -> None:
        addition, _, _ = self.pending.pop()
        self.index.retract(addition)

    @rule()
    def merge(self) -> None:
        self.run(self.index.merge_if_needed())
        # Whatever was interrupted or dropped before, only runs that count take up space now.
        stored, counted = self.run(self.readers.run(entries_stored_and_counted))
        assert stored == counted

    @rule(after=st.integers(0, 12), reopen=st.booleans())
    def interrupt_merge(self, after: int, reopen: bool) -> None:
        async def work() -> None:
            self.writer.fuse = after
            try:
                await self.index.merge_if_needed()
            except Interrupted:
                pass
            finally:
                self.writer.fuse = None

        self.run(work())
        if reopen:
            self.reopen()

    @rule()
    def reopen(self) -> None:
        self.run(self.close())
        self.pending.clear()
        self.run(self.open())

    # What is under way when a partition is dropped is the caller's mistake, so none is.
    @precondition(lambda self: not self.pending)
    @rule(part=partitions)
    def drop(self, part: int) -> None:
        self.run(self.index.drop(part))
        self.model.pop(part, None)

    @rule(
        asked=st.lists(keys, min_size=1, max_size=5),
        wanted=st.none() | st.sets(partitions),
        limit=st.none() | st.integers(0, 5),
        below=st.none() | st.integers(0, 61),
    )
    def find_some(
        self, asked: list[bytes], wanted: set[int] | None, limit: int | None, below: int | None
    ) -> None:
        bound = None if below is None else below.to_bytes(2, "big")
        found = self.run(self.index.find(asked, partitions=wanted, limit=limit, below=bound))
        assert found == self.expected(asked, wanted, limit, below)

    @invariant()
    def find_all(self) -> None:
        found = self.run(self.index.find(KEYS))
        assert found == self.expected(KEYS, None, None, None)

    def expected(
        self, asked: list[bytes], wanted: set[int] | None, limit: int | None, below: int | None
    ) -> dict[bytes, list[bytes]]:
        held = {(part, e) for part, added in self.model.items() for e in added}
        held |= {(part, e) for _, part, added in self.pending for e in added}
        answer: dict[bytes, list[bytes]] = {}
        for key in asked:
            matching = sorted(
                {
                    e
                    for part, e in held
                    if e.startswith(key)
                    and (wanted is None or part in wanted)
                    and (below is None or int.from_bytes(e[8:10], "big") < below)
                }
            )
            if limit is not None:
                matching = matching[len(matching) - min(limit, len(matching)) :]
            if matching:
                answer[key] = matching
        return answer


@pytest.mark.slow
def test_an_index_holds_what_was_committed_whatever_interrupts_it() -> None:
    run_state_machine_as_test(
        IndexMachine, settings=settings(max_examples=40, stateful_step_count=40)
    )


async def filled(path: Path, count: int) -> tuple[IndexRuns, Writer, Readers, list[bytes]]:
    writer = Writer(path, on_fatal=fail)
    readers = Readers(path)
    index = IndexRuns(
        "big",
        entry_bytes=24,
        key_bytes=4,
        readers=readers,
        writer=writer,
        policy=RunPolicy(tail_entries=2_000, slice_entries=1_000, fan_in=3),
    )
    await writer.submit(index.create)
    added = [os.urandom(24) for _ in range(count)]
    for at in range(0, count, 500):
        await writer.submit(index.add(added[at : at + 500]))
        await index.merge_if_needed()
    return index, writer, readers, added


async def test_merging_gives_back_the_space_of_what_was_merged(tmp_path: Path) -> None:
    index, writer, readers, added = await filled(tmp_path / "a.db", 20_000)
    runs, blocks = await readers.run(
        lambda c: (
            c.execute("SELECT count(*), sum(entries) FROM big_runs").get,
            c.execute("SELECT sum(length(entries)) FROM big_blocks").get,
        )
    )
    assert runs[1] == 20_000
    assert blocks == 20_000 * 24
    # Ten runs of the first level, in threes, leave one of each of three levels.
    assert runs[0] <= 4
    assert await index.find([added[0][:4]]) == {added[0][:4]: [added[0]]}
    readers.close()
    writer.close()


async def test_absent_keys_are_answered_without_the_disk(tmp_path: Path) -> None:
    index, writer, readers, _ = await filled(tmp_path / "a.db", 4_000)
    readers.close()
    # With the readers closed, a look at the disk would raise.
    absent = [b"\0\0" + n.to_bytes(2, "big") for n in range(200)]
    assert await index.find(absent) == {}
    writer.close()


async def test_a_read_that_began_before_a_merge_still_finds_everything(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    index, writer, readers, added = await filled(path, 3_000)
    snapshot = open_reader(path)
    snapshot.execute("BEGIN")
    tail = index.tail_find([e[:4] for e in added])
    snapshot.execute("SELECT count(*) FROM big_runs").fetchall()
    for _ in range(8):
        await writer.submit(index.add([os.urandom(24) for _ in range(1_000)]))
        await index.merge_if_needed()
    asked = [e[:4] for e in added]
    found = index.run_find(snapshot, asked)
    held = {e for each in (*tail.values(), *found.values()) for e in each}
    assert held >= set(added)
    snapshot.close()
    readers.close()
    writer.close()


async def test_an_entry_of_another_width_is_refused(tmp_path: Path) -> None:
    index, writer, readers, _ = await filled(tmp_path / "a.db", 500)
    with pytest.raises(ValueError, match="24 bytes"):
        index.add([b"short"])
    readers.close()
    writer.close()
