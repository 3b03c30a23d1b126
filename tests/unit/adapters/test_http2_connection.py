"""A connection against a server of another make, and against one that talks nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, repeat

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded
from h2.settings import SettingCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PushPromiseFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.http2_wire import BROKEN, OK, Wire, ask, connect, greeted, serialized, turn
from tocsin.adapters.http2 import heads
from tocsin.adapters.http2.stream import Said
from tocsin.ports.transport import Answer, NoAnswer, NoAnswerReason


@dataclass
class Server:
    """Another make of HTTP/2; it sends each body back."""

    window: int
    h2: H2Connection = field(
        default_factory=lambda: H2Connection(
            H2Configuration(client_side=False, header_encoding="utf-8")
        )
    )
    bodies: dict[int, bytes] = field(default_factory=dict)
    whole: list[int] = field(default_factory=list)
    going: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.h2.initiate_connection()
        self.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: self.window})

    def take(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            match event:
                case DataReceived(stream_id=int(stream), data=bytes(part)):
                    self.bodies[stream] = self.bodies.get(stream, b"") + part
                    self.h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                case StreamEnded(stream_id=int(stream)):
                    self.whole.append(stream)
                case _:
                    pass

    def answer(self, stream: int, manner: Manner) -> None:
        if manner.early:
            self.h2.send_headers(stream, [(":status", "103"), ("link", "</x>")])
        self.h2.send_headers(stream, [(":status", "200"), ("x-stream", str(stream))])
        self.going[stream] = self.bodies.pop(stream, b"")

    def go_on(self, stream: int, manner: Manner) -> None:
        """Send what of the answer there is room for."""
        rest = self.going[stream]
        while rest:
            room = self.h2.local_flow_control_window(stream) - manner.pad - 1
            if room <= 0:
                self.going[stream] = rest
                return
            part, rest = rest[: min(room, 5_000)], rest[min(room, 5_000) :]
            self.h2.send_data(stream, part, pad_length=manner.pad or None)
        del self.going[stream]
        if manner.trailers:
            self.h2.send_headers(stream, [("x-checked", "yes")], end_stream=True)
        else:
            self.h2.end_stream(stream)

    def answer_all(self, manner: Manner) -> None:
        waiting = sorted(self.whole, reverse=manner.backwards)
        if not waiting:
            # Whoever waits for room gets it.
            self.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 30_000})
        self.whole.clear()
        for stream in waiting:
            self.answer(stream, manner)
        for stream in list(self.going):
            self.go_on(stream, manner)


@dataclass(frozen=True)
class Manner:
    """How a server answers: padded, after an answer before the answer, the last first …"""

    pad: int
    early: bool
    trailers: bool
    backwards: bool


def pieces(data: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = next(sizes)
        yield data[at : at + size]
        at += size


async def play(
    bodies: Sequence[bytes], window: int, sizes: Iterator[int], manner: Manner
) -> Sequence[Said]:
    """Send *bodies* to a server that sends them back; what comes is cut into *sizes*."""
    connection, wire = connect()
    server = Server(window)
    for piece in pieces(server.h2.data_to_send(), sizes):
        connection.data_received(piece)
    calls: list[asyncio.Future[Said]] = []
    while len(calls) < len(bodies) or not all(call.done() for call in calls):
        calls += [ask(connection, body) for body in bodies[len(calls) :][: connection.room]]
        await turn()
        server.take(wire.taken())
        server.answer_all(manner)
        for piece in pieces(server.h2.data_to_send(), sizes):
            connection.data_received(piece)
    assert connection.idle
    assert not connection.over
    return [call.result() for call in calls]


@settings(deadline=None)
@given(
    bodies=st.lists(
        st.tuples(st.integers(0, 255), st.sampled_from([0, 1, 500, 20_000, 70_000])).map(
            lambda made: bytes((made[0],)) * made[1]
        ),
        min_size=1,
        max_size=8,
    ),
    window=st.sampled_from([0, 1, 300, 65_535, 100_000]),
    sizes=st.lists(st.integers(1, 3_000), min_size=1, max_size=8),
    manner=st.builds(Manner, st.integers(0, 200), st.booleans(), st.booleans(), st.booleans()),
)
def test_every_call_gets_its_own_answer(
    bodies: Sequence[bytes], window: int, sizes: Sequence[int], manner: Manner
) -> None:
    """However small the other side's windows, however its bytes are cut, whatever is answered."""
    said = asyncio.run(play(bodies, window, cycle(sizes), manner))
    for number, (each, body) in enumerate(zip(said, bodies, strict=True)):
        assert isinstance(each, Answer)
        assert (each.status, each.body) == (200, body)
        assert each.header(b"x-stream") == b"%d" % (2 * number + 1)


async def test_a_connection_never_runs_out_of_room_for_answers() -> None:
    """What may be sent on all streams together is given anew: here 24 MB go back on one."""
    manner = Manner(pad=0, early=False, trailers=False, backwards=False)
    bodies = [b"x" * 100_000] * 240
    said = await play(bodies, 2**20, repeat(2**16), manner)
    assert [each.body for each in said if isinstance(each, Answer)] == bodies


FRAMES = st.one_of(
    st.builds(
        lambda stream, data, flags: serialized(DataFrame(stream, data), flags),
        st.integers(1, 9),
        st.binary(max_size=60),
        st.sets(st.sampled_from(["END_STREAM", "PADDED"])),
    ),
    st.builds(
        lambda stream, data, flags: serialized(HeadersFrame(stream, data), flags),
        st.integers(1, 9),
        st.one_of(st.just(OK), st.binary(max_size=30)),
        st.sets(st.sampled_from(["END_STREAM", "END_HEADERS", "PADDED", "PRIORITY"])),
    ),
    st.builds(
        lambda stream, data: ContinuationFrame(stream, data).serialize(),
        st.integers(1, 9),
        st.binary(max_size=30),
    ),
    st.builds(
        lambda last: GoAwayFrame(0, last_stream_id=last).serialize(), st.integers(0, 2**31 - 1)
    ),
    st.builds(
        lambda stream, more: WindowUpdateFrame(stream, window_increment=more).serialize(),
        st.integers(0, 9),
        st.integers(1, 2**31 - 1),
    ),
    st.builds(
        lambda name, value: SettingsFrame(0, settings={name: value}).serialize(),
        st.integers(1, 6),
        st.integers(0, 2**32 - 1),
    ),
    st.binary(max_size=60),
)


@settings(deadline=None)
@given(st.lists(FRAMES, max_size=12), st.integers(1, 50))
def test_nonsense_ends_calls_and_nothing_else(said: Sequence[bytes], size: int) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        broken: list[object] = []
        loop.set_exception_handler(lambda _, context: broken.append(context))
        connection, wire = greeted()
        calls = [ask(connection, b"x" * 20_000) for _ in range(4)]
        for piece in pieces(b"".join(said), iter(lambda: size, 0)):
            if not wire.closed:
                connection.data_received(piece)
            await turn()
        assert not wire.closed or all(call.done() for call in calls)
        connection.connection_lost(None)
        await turn()
        assert all(call.done() for call in calls)
        assert connection.room == 0
        assert not broken

    asyncio.run(run())


@pytest.mark.parametrize(
    "said",
    [
        serialized(HeadersFrame(1, OK), {"END_STREAM"}) + PingFrame(0).serialize(),
        serialized(HeadersFrame(9, OK), {"END_HEADERS"}),
        serialized(HeadersFrame(2, OK), {"END_HEADERS"}),
        serialized(HeadersFrame(1, b"\xbe"), {"END_HEADERS"}),
        serialized(HeadersFrame(1, b"\x08\x03103"), {"END_HEADERS", "END_STREAM"}),
        serialized(DataFrame(1, b"x"), set()),
        serialized(PushPromiseFrame(1, 2, OK), {"END_HEADERS"}),
        b"\x00\x40\x01" + bytes(6),
        ContinuationFrame(1, OK).serialize(),
    ],
    ids=[
        "a head that is broken off",
        "a stream that is not open",
        "a stream of its own",
        "a place in a table",
        "an end before the answer",
        "a body before its head",
        "a promise",
        "too long a frame",
        "the rest of no head",
    ],
)
async def test_who_breaks_the_rules_is_left(said: bytes) -> None:
    connection, wire = greeted()
    call = ask(connection)
    connection.data_received(said)
    assert await call == BROKEN
    assert wire.closed
    assert connection.over


async def test_a_head_in_parts_is_one() -> None:
    connection, _ = greeted()
    call = ask(connection)
    connection.data_received(
        serialized(HeadersFrame(1, OK + b"\x00\x01x"), {"END_STREAM"})
        + ContinuationFrame(1, b"\x01").serialize()
        + serialized(ContinuationFrame(1, b"y"), {"END_HEADERS"})
    )
    said = await call
    assert isinstance(said, Answer)
    assert (said.status, said.header(b"x")) == (200, b"y")


async def test_a_head_without_end_is_left() -> None:
    connection, wire = greeted()
    call = ask(connection)
    connection.data_received(HeadersFrame(1, OK).serialize())
    for _ in range(10):
        connection.data_received(ContinuationFrame(1, bytes(10_000)).serialize())
    assert await call == BROKEN
    assert wire.closed


async def test_nothing_is_asked_before_the_other_side_has_said_how_many_it_takes() -> None:
    connection, _ = connect()
    assert connection.room == 0
    connection.data_received(SettingsFrame(0, settings={3: 2}).serialize())
    assert connection.room == 2
    call = ask(connection)
    assert connection.room == 1
    connection.data_received(SettingsFrame(0, settings={3: 10**6}).serialize())
    assert connection.room == 99
    assert not call.done()


async def test_a_ping_is_answered() -> None:
    connection, wire = greeted()
    await turn()
    wire.taken()
    connection.data_received(PingFrame(0, opaque_data=b"12345678").serialize())
    await turn()
    assert wire.taken() == PingFrame(0, opaque_data=b"12345678", flags=["ACK"]).serialize()


async def test_many_leave_in_one_write() -> None:
    connection, wire = greeted()
    await turn()
    wire.taken()
    writes = 0

    class Counting(Wire):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            nonlocal writes
            writes += 1
            super().write(data)

    connection.connection_made(Counting())
    calls = [ask(connection, b"{}") for _ in range(50)]
    await turn()
    assert writes == 1
    assert not any(call.done() for call in calls)


async def test_a_connection_on_which_nothing_came_is_left_with_the_call() -> None:
    connection, wire = greeted()
    now_s = asyncio.get_running_loop().time()
    head = heads.beginning("POST", "x.example") + heads.path("/")
    _, call = connection.begin(head, b"", now_s + 0.001)
    assert await call == NoAnswer(NoAnswerReason.TIMED_OUT, sent=True)
    assert connection.over
    assert wire.closed
