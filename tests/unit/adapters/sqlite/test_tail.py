"""Single records out of the newest of a partition, and out of rows of the file."""

from __future__ import annotations

import apsw

from tocsin.adapters.sqlite import log_rows
from tocsin.adapters.sqlite.chunk import Records, pack
from tocsin.adapters.sqlite.late_chunks import CHUNKS_MAX, Chunk, LateChunks
from tocsin.adapters.sqlite.tail import Tail
from tocsin.adapters.sqlite.topics import place
from tocsin.domain.records import Attempt, encode
from tocsin.ports.log import Batch

TOPIC = "outcomes"


def record(number: int) -> Attempt:
    return Attempt(bytes(20), number, 1, "p", "r", 0)


def batch(first: int, records: int) -> Batch:
    return Batch(TOPIC, 0, first, [record(first + n) for n in range(records)])


def tail(*batches: Batch) -> Tail:
    made = Tail(batches[0].position, 100)
    for each in batches:
        made.grow(each)
    return made


def test_what_lies_in_several_batches_is_picked_and_what_lies_before_or_in_a_hole_is_not() -> None:
    # 6 to 8 belong to a step that failed.
    held = tail(batch(2, 3), batch(5, 1), batch(9, 4))
    for wanted in ([*range(20)], [3], [12], [2, 11, 12], [5, 5], [1, 7, 9], [4, 9]):
        there = {*range(2, 6), *range(9, 13)}.intersection(wanted)
        assert held.pick(wanted) == {at: record(at) for at in there}
    assert Tail(7, 100).pick([0, 6, 7, 8]) == {}


def test_rows_of_the_file_give_the_same() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE log_chunk (place INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    for each in (batch(2, 3), batch(5, 1), batch(9, 4)):
        bodies = [encode(one) for one in each.records if isinstance(one, Attempt)]
        row = (place(1, 0, each.position), pack(bodies))
        connection.execute("INSERT INTO log_chunk VALUES (?, ?)", row)
    for wanted in ([*range(20)], [3], [12], [2, 11, 12], [5, 5], [1, 7, 9], [4, 9]):
        there = {*range(2, 6), *range(9, 13)}.intersection(wanted)
        found, _ = log_rows.pick(connection, [(TOPIC, 0, 1, wanted)])
        assert found == {(TOPIC, 0, at): record(at) for at in there}
    assert log_rows.pick(connection, [(TOPIC, 1, 1, [2]), (TOPIC, 0, 2, [2])]) == ({}, {})


def chunk(first: int, records: int) -> Chunk:
    return first, Records(pack([encode(record(first + n)) for n in range(records)]))


def test_chunks_that_were_read_are_held_until_something_is_removed() -> None:
    late = LateChunks()
    late.keep({(TOPIC, 0): [chunk(9, 4), chunk(2, 3)], (TOPIC, 1): [chunk(9, 1)]}, late.mark)
    there = {*range(2, 5), *range(9, 13)}
    for wanted in ([*range(20)], [0], [3], [12], [13], [2, 11, 12], [1, 7, 9]):
        found = late.pick((TOPIC, 0), wanted)
        assert found == {at: record(at) for at in there.intersection(wanted)}
    assert late.pick((TOPIC, 2), [2]) == {}
    mark = late.mark
    late.forget((TOPIC, 0))
    # Read before, told after.
    late.keep({(TOPIC, 0): [chunk(9, 4)]}, mark)
    assert late.pick((TOPIC, 0), [9]) == {}
    assert late.pick((TOPIC, 1), [9]) == {9: record(9)}


def test_of_too_many_chunks_the_first_are_let_go() -> None:
    late = LateChunks()
    late.keep({(TOPIC, 1): [chunk(0, 1)]}, late.mark)
    for first in range(2 * CHUNKS_MAX):
        # Twice, as two readers may.
        for _ in range(2):
            late.keep({(TOPIC, 0): [chunk(first, 1)]}, late.mark)
    last = range(CHUNKS_MAX + 1, 2 * CHUNKS_MAX)
    assert list(late.pick((TOPIC, 0), range(2 * CHUNKS_MAX))) == list(last)
    assert late.pick((TOPIC, 1), [0]) == {0: record(0)}
