"""A connection against whoever breaks a rule, or keeps to all of them and means no good."""

from __future__ import annotations

import asyncio

import pytest
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.support.http2_wire import BROKEN, OK, ask, connect, greeted, serialized, turn
from tocsin.adapters.http2.stream import UNSEEN
from tocsin.ports.transport import Answer

WHOLE = serialized(HeadersFrame(1, OK), {"END_HEADERS", "END_STREAM"})


async def test_nothing_is_said_after_the_end() -> None:
    """A loop may hand over what it has read while the end is still on its way."""
    connection, wire = greeted()
    call = ask(connection)
    connection.data_received(b"\xff" * 9)
    assert await call == BROKEN
    await turn()
    wire.taken()
    connection.data_received(PingFrame(0).serialize() + SettingsFrame(0).serialize())
    await turn()
    assert not wire.taken()


async def test_a_connection_to_be_left_ends_with_the_last_call_that_is_given_up() -> None:
    connection, wire = greeted()
    call = ask(connection)
    connection.data_received(GoAwayFrame(0, last_stream_id=1).serialize())
    assert connection.over
    assert not connection.lost.done()
    call.cancel()
    connection.give_up(1)
    assert wire.closed


async def test_an_end_in_two_steps_loses_nothing() -> None:
    """First that one is to come, then which requests were not looked at (RFC 9113, 6.8)."""
    connection, wire = greeted()
    calls = [ask(connection, b"{}") for _ in range(3)]
    connection.data_received(GoAwayFrame(0, last_stream_id=2**31 - 1).serialize())
    assert connection.room == 0
    assert not any(call.done() for call in calls)
    connection.data_received(GoAwayFrame(0, last_stream_id=3).serialize())
    assert [call.done() for call in calls] == [False, False, True]
    assert await calls[2] is UNSEEN
    connection.data_received(WHOLE + WHOLE.replace(b"\x00\x01\x88", b"\x00\x03\x88"))
    assert [type(await call) for call in calls[:2]] == [Answer, Answer]
    assert wire.closed


async def test_who_has_begun_to_answer_has_looked() -> None:
    connection, _ = greeted()
    calls = [ask(connection), ask(connection)]
    for number in (1, 3):
        connection.data_received(serialized(HeadersFrame(number, OK), {"END_HEADERS"}))
    connection.data_received(RstStreamFrame(1, error_code=7).serialize())
    connection.data_received(GoAwayFrame(0, last_stream_id=0).serialize())
    assert [await call for call in calls] == [BROKEN, BROKEN]


async def test_no_request_goes_where_nobody_listens_any_more() -> None:
    connection, _ = greeted()
    assert connection.room == 100
    connection.eof_received()
    assert connection.room == 0


@pytest.mark.parametrize("asks", [PingFrame(0), SettingsFrame(0)], ids=["ping", "settings"])
async def test_who_asks_and_never_reads_is_left(asks: PingFrame | SettingsFrame) -> None:
    connection, wire = greeted()
    for _ in range(2):
        connection.data_received(asks.serialize() * 900)
        assert not wire.closed
    connection.pause_writing()
    connection.data_received(asks.serialize() * 900)
    connection.resume_writing()
    connection.pause_writing()
    connection.data_received(asks.serialize() * 900)
    assert not wire.closed
    connection.data_received(asks.serialize() * 200)
    assert wire.closed


async def test_parts_of_nothing_take_no_memory() -> None:
    connection, _ = greeted()
    call = ask(connection)
    connection.data_received(serialized(HeadersFrame(1, OK), {"END_HEADERS"}))
    stream = connection._streams[1]
    connection.data_received(DataFrame(1).serialize() * 1_000)
    assert not stream.parts
    connection.data_received(serialized(DataFrame(1, b"x"), {"END_STREAM"}))
    said = await call
    assert isinstance(said, Answer)
    assert said.body == b"x"


@pytest.mark.parametrize(
    "block",
    [b"\x20" * 10_000, b"\x48\x03099", b"\x48\x041000", b"\x48\x7f\xa9\x26" + b"1" * 5_000],
    ids=["a table put away for ever", "too small", "too large", "no number at all"],
)
async def test_what_is_no_status_is_no_answer(block: bytes) -> None:
    connection, wire = greeted()
    call = ask(connection)
    connection.data_received(serialized(HeadersFrame(1, block), {"END_HEADERS"}))
    assert await call == BROKEN
    assert wire.closed


async def test_the_bit_that_means_nothing_is_not_looked_at() -> None:
    """RFC 9113, 4.1."""
    connection, _ = greeted()
    call = ask(connection)
    connection.data_received(WHOLE[:5] + b"\x80" + WHOLE[6:])
    assert isinstance(await call, Answer)


@pytest.mark.parametrize("stream", [0, 1])
async def test_more_room_than_there_can_be_is_none(stream: int) -> None:
    """RFC 9113, 6.9.1."""
    connection, wire = greeted(INITIAL_WINDOW_SIZE=10)
    call = ask(connection, b"x" * 100_000)
    connection.data_received(WindowUpdateFrame(stream, 2**31 - 1).serialize() * 2)
    assert await call == BROKEN
    assert wire.closed


async def test_a_window_that_is_too_wide_is_none() -> None:
    """RFC 9113, 6.5.2."""
    connection, wire = greeted()
    connection.data_received(SettingsFrame(0, settings={4: 2**31 - 1}).serialize())
    assert not wire.closed
    connection.data_received(SettingsFrame(0, settings={4: 2**31}).serialize())
    assert wire.closed


async def test_room_that_nobody_needs_any_more_is_no_fault() -> None:
    """Who reads a body gives its room back, also of a window that is as wide as can be."""
    connection, wire = greeted(INITIAL_WINDOW_SIZE=2**31 - 1)
    call = ask(connection, b"x" * 100)
    connection.data_received(WindowUpdateFrame(1, 100).serialize() + WHOLE)
    assert isinstance(await call, Answer)
    assert not wire.closed


async def test_who_answers_before_it_has_read_all_is_sent_no_more() -> None:
    """RFC 9113, 8.1."""
    connection, wire = greeted(INITIAL_WINDOW_SIZE=10)
    call = ask(connection, b"x" * 100)
    await turn()
    wire.taken()
    connection.data_received(WHOLE)
    assert isinstance(await call, Answer)
    connection.data_received(WindowUpdateFrame(1, 100).serialize())
    await turn()
    assert wire.taken() == RstStreamFrame(1, error_code=8).serialize()


async def test_padding_counts_as_what_it_pads() -> None:
    """RFC 9113, 6.9.1: room for it is given back, on its stream and on all together."""
    connection, wire = greeted()
    call = ask(connection)
    connection.data_received(serialized(HeadersFrame(1, OK), {"END_HEADERS"}))
    await turn()
    wire.taken()
    padded = serialized(DataFrame(1, b"x", pad_length=200), {"PADDED"})
    connection.data_received(padded)
    await turn()
    assert wire.taken() == WindowUpdateFrame(1, 202).serialize()
    connection.data_received(padded * (2**23 // 202))
    await turn()
    assert WindowUpdateFrame(0, 202 * (2**23 // 202 + 1)).serialize() in wire.taken()
    call.cancel()


async def test_no_request_comes_that_could_not_leave() -> None:
    connection, _ = greeted()
    connection.pause_writing()
    assert connection.room == 0
    connection.resume_writing()
    assert connection.room == 100


async def test_a_connection_is_left_before_streams_run_out_of_numbers() -> None:
    """RFC 9113, 5.1.1."""
    connection, _ = greeted()
    # To come there by calls takes hours.
    connection._next = 2**30 + 1
    call = ask(connection)
    assert connection.over
    call.cancel()


async def test_nothing_is_wanted_that_nobody_asked_for() -> None:
    """No pushes, and no table of headers to keep (RFC 9113, 6.5.2)."""
    _, wire = connect()
    await turn()
    said = wire.taken().removeprefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    frame, length = Frame.parse_frame_header(memoryview(said)[:9])
    frame.parse_body(memoryview(said)[9 : 9 + length])
    assert isinstance(frame, SettingsFrame)
    assert frame.settings[SettingsFrame.ENABLE_PUSH] == 0
    assert frame.settings[SettingsFrame.HEADER_TABLE_SIZE] == 0


async def test_a_connection_that_says_something_is_kept_when_a_call_is_late() -> None:
    connection, wire = greeted()
    connection.heard_s -= 1
    loop = asyncio.get_running_loop()
    call = connection.begin(b"", b"", loop.time() + 0.02)[1]
    connection.data_received(PingFrame(0).serialize())
    assert not isinstance(await call, Answer)
    assert not connection.over
    assert not wire.closed
