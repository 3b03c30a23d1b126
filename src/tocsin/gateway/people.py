"""Who is connected: one entry per person, whatever the number of devices."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum

from pyroaring import BitMap

from tocsin.app.inbox import Reader
from tocsin.domain.inbox import Counts
from tocsin.domain.records import Broadcast, Item, StateChange
from tocsin.gateway.messages import ClientMessage
from tocsin.gateway.socket import Socket

Happening = tuple[int, int, Item | StateChange | Broadcast]
"""(stream, position, record)."""

_BLOCK_SHIFT = 16


class Stage(IntEnum):
    """How far a socket is."""

    NEW = 0
    """Not greeted yet."""
    CATCHING_UP = 1
    """Gets what it missed, and nothing else meanwhile."""
    LIVE = 2
    """Gets what happens."""


class Session:
    """One device's socket."""

    __slots__ = (
        "ahead",
        "batch",
        "cursor",
        "doing",
        "expires_ms",
        "outbox",
        "person",
        "reader",
        "resume_from",
        "stage",
    )

    def __init__(self, reader: Reader | None, *, batch: bool, expires_ms: int = 0) -> None:
        self.reader = reader
        self.batch = batch
        """Whether several messages may come in one frame."""
        self.expires_ms = expires_ms
        """When its token ends."""
        self.person: Person | None = None
        self.stage = Stage.NEW
        self.cursor = ""
        """What this connection was last sent."""
        self.ahead: tuple[int, ...] | None = None
        """How far it caught up, where that is beyond what the person's live devices were sent."""
        self.resume_from: str | None = None
        self.outbox: list[bytes] | None = None
        self.doing: deque[ClientMessage] | None = None
        """What it asked for and is not done yet."""


class Person:
    """Somebody with at least one socket, and what her devices know."""

    __slots__ = (
        "busy",
        "counts",
        "doubtful",
        "happenings",
        "number",
        "reader",
        "sockets",
        "uneven",
        "vector",
    )

    def __init__(self, reader: Reader, vector: Sequence[int]) -> None:
        self.number = reader.number
        self.reader = reader
        self.sockets: list[Socket[Session]] = []
        self.vector = list(vector)
        """Below these positions everything was handed on to the devices that are live."""
        self.counts: Counts | None = None
        """None until they are read from the store."""
        self.happenings: list[Happening] = []
        """What waits until the counts are read anew."""
        self.busy = False
        """Whether the counts are being read."""
        self.doubtful = False
        """Whether counts whose reading has begun may be too old."""
        self.uneven = False
        """Whether a live device was last told other counts than the others."""


class People:
    """Everybody with a socket on this node."""

    def __init__(self) -> None:
        self._by_number: dict[int, Person] = {}
        self._blocks: dict[int, set[int]] = {}
        self.get: Callable[[int], Person | None] = self._by_number.get
        """Return the person if she has a socket here."""

    def __len__(self) -> int:
        return len(self._by_number)

    def arrive(self, person: Person) -> None:
        """Add somebody who was not here."""
        self._by_number[person.number] = person
        self._blocks.setdefault(person.number >> _BLOCK_SHIFT, set()).add(person.number)

    def leave(self, socket: Socket[Session]) -> None:
        """Remove a socket, and the person with her last one."""
        person = socket.session.person
        if person is None:
            return
        person.sockets = [each for each in person.sockets if each is not socket]
        if person.sockets or self._by_number.get(person.number) is not person:
            return
        del self._by_number[person.number]
        block = self._blocks[person.number >> _BLOCK_SHIFT]
        block.discard(person.number)
        if not block:
            del self._blocks[person.number >> _BLOCK_SHIFT]

    def among(self, numbers: BitMap, block: int) -> list[Person]:
        """Return those of *numbers*, all in *block*, who are connected."""
        here = self._blocks.get(block, ())
        return [self._by_number[number] for number in here if number in numbers]

    def all(self) -> list[Person]:
        """Return everybody."""
        return list(self._by_number.values())
