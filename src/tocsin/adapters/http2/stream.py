"""One request under way, and what may come of it."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Final

from tocsin.adapters.http2.heads import Head
from tocsin.ports.transport import Answer, NoAnswer


class Unseen(Enum):
    """The other side has said that it did not look at the request (RFC 9113, 8.7)."""

    UNSEEN = auto()


UNSEEN: Final = Unseen.UNSEEN
Said = Answer | NoAnswer | Unseen


class Stream:
    """A request under way: what has come of its answer, and what is still to be sent."""

    __slots__ = ("begun_s", "body", "bytes", "due_s", "end", "head", "parts", "room", "status")

    def __init__(
        self, end: asyncio.Future[Said], body: bytes, room: int, begun_s: float, due_s: float
    ) -> None:
        """*begun_s* is when anything had come last on its connection as it was sent."""
        self.end = end
        self.body: bytes | memoryview = body
        self.room = room
        self.begun_s = begun_s
        self.due_s = due_s
        self.status = 0
        self.head: Head | tuple[()] = ()
        self.parts: list[bytes] = []
        self.bytes = 0
