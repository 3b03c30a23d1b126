"""A connection of HTTP/2 without a network: what it writes is kept, what it reads a test says."""

from __future__ import annotations

import asyncio

from hyperframe.frame import Frame, SettingsFrame

from tocsin.adapters.http2 import heads
from tocsin.adapters.http2.connection import Connection
from tocsin.adapters.http2.stream import Said
from tocsin.ports.transport import NoAnswer, NoAnswerReason

OK = b"\x88"
BROKEN = NoAnswer(NoAnswerReason.BROKEN, sent=True)


class Agreed:
    """What TLS has to say: that HTTP/2 is spoken."""

    def selected_alpn_protocol(self) -> str:
        return "h2"


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"ssl_object": Agreed()})
        self.written = bytearray()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def taken(self) -> bytes:
        taken, self.written = bytes(self.written), bytearray()
        return taken


def connect(streams_max: int = 100) -> tuple[Connection, Wire]:
    """Return a connection that nothing has been said on."""
    wire = Wire()
    connection = Connection(lambda _: None, streams_max=streams_max, answer_bytes_max=100_000)
    connection.connection_made(wire)
    return connection, wire


def greeted(**wishes: int) -> tuple[Connection, Wire]:
    """Return one on which the other side has said what it wants."""
    connection, wire = connect()
    values = {getattr(SettingsFrame, name): value for name, value in wishes.items()}
    connection.data_received(SettingsFrame(0, settings=values).serialize())
    return connection, wire


def ask(connection: Connection, body: bytes = b"") -> asyncio.Future[Said]:
    head = heads.beginning("POST", "x.example") + heads.path("/")
    now_s = asyncio.get_running_loop().time()
    return connection.begin(head, body, now_s + 1_000)[1]


async def turn() -> None:
    """Let the loop write what is to be written."""
    for _ in range(3):
        await asyncio.sleep(0)


def serialized(frame: Frame, flags: set[str]) -> bytes:
    for flag in flags:
        frame.flags.add(flag)
    return frame.serialize()
