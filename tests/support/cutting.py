"""
A wire that can be cut anywhere, between a caller and a server of this machine.

It carries bytes and counts them. From the byte on that a test names it carries no more: it resets
the caller's connection, or leaves both sides hanging. It knows no protocol, so the place may be in
a handshake, a greeting, a head, a body or between two requests.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Side = Literal["up", "down"]
_CHUNK = 64 * 1_024


class How(StrEnum):
    """What a cut looks like to the caller."""

    RESET = "reset"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Cut:
    """Where: before the byte number ``after`` of those that go ``up`` to the server or ``down``."""

    side: Side
    after: int
    how: How

    def __str__(self) -> str:
        return f"{self.how} after {self.after} bytes {self.side}"


class Wire:
    """One listening end; ``carried`` counts the bytes of each side since it was last mended."""

    def __init__(self, onward: int) -> None:
        self._onward = onward
        self._cut: Cut | None = None
        self._ended = asyncio.Event()
        self._joined: set[asyncio.Task[None]] = set()
        self._callers: set[asyncio.StreamWriter] = set()
        self.carried: dict[Side, int] = {"up": 0, "down": 0}
        self.port = 0

    def cut(self, cut: Cut) -> None:
        """Cut there, counted from now on."""
        self._cut = cut
        self.carried = {"up": 0, "down": 0}

    async def mend(self) -> None:
        """End every connection, return once the server has seen it, and carry everything again."""
        self._ended.set()
        for writer in tuple(self._callers):
            _reset(writer)
        if self._joined:
            await asyncio.wait(self._joined)
        self._ended.clear()
        self._cut = None
        self.carried = {"up": 0, "down": 0}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join one caller with the server."""
        task = asyncio.current_task()
        assert task is not None
        self._joined.add(task)
        self._callers.add(writer)
        try:
            there = await asyncio.open_connection("127.0.0.1", self._onward)
            await asyncio.gather(
                self._carry("up", reader, there[1], writer),
                self._carry("down", there[0], writer, writer),
            )
        except OSError:
            _reset(writer)
        finally:
            self._joined.discard(task)
            self._callers.discard(writer)
            writer.close()

    async def _carry(
        self,
        side: Side,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        caller: asyncio.StreamWriter,
    ) -> None:
        try:
            while chunk := await reader.read(_CHUNK):
                passing = chunk[: self._room(side)]
                self.carried[side] += len(passing)
                writer.write(passing)
                await writer.drain()
                if self._cut is not None and self._is_cut():
                    await self._sever(self._cut, caller)
        except OSError:
            pass  # the other side has gone, as others do
        finally:
            # The server reads what has arrived, and then that there is no more.
            writer.close()

    def _room(self, side: Side) -> int:
        if self._cut is None:
            return _CHUNK
        if self._is_cut():
            return 0
        return _CHUNK if self._cut.side != side else self._cut.after - self.carried[side]

    def _is_cut(self) -> bool:
        return self._cut is not None and self.carried[self._cut.side] >= self._cut.after

    async def _sever(self, cut: Cut, caller: asyncio.StreamWriter) -> None:
        if cut.how is How.RESET:
            _reset(caller)
        else:
            await self._ended.wait()


def _reset(writer: asyncio.StreamWriter) -> None:
    made = writer.get_extra_info("socket")
    if made is not None and made.fileno() >= 0:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def wire_to(port: int) -> AsyncIterator[Wire]:
    """Listen, and carry to *port*, until the block ends."""
    wire = Wire(port)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        await wire.mend()
