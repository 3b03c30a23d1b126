"""Who is connected: one entry per person, whatever the number of devices."""

from __future__ import annotations

from pyroaring import BitMap

from tocsin.app.inbox import Reader
from tocsin.domain.inbox import Counts
from tocsin.domain.records import Broadcast, Item, StateChange
from tocsin.gateway.socket import Socket

Happening = tuple[int, int, Item | StateChange | Broadcast]
"""(stream, position, record)."""


class Session:
    """One device's socket."""

    __slots__ = ("batch", "cursor", "live", "person", "reader")

    def __init__(self, reader: Reader | None, *, batch: bool) -> None:
        self.reader = reader
        self.batch = batch
        """Whether several messages may come in one frame."""
        self.person: Person | None = None
        self.cursor = ""
        """What this connection was last sent."""
        self.live = False
        """Whether it gets what happens; not before hello, and not while it catches up."""


class Person:
    """Somebody with at least one socket, and what her devices know."""

    __slots__ = ("applied", "busy", "counts", "happenings", "number", "reader", "sockets", "vector")

    def __init__(self, reader: Reader) -> None:
        self.number = reader.number
        self.reader = reader
        self.sockets: list[Socket[Session]] = []
        self.vector: list[int] = []
        self.counts: Counts | None = None
        """None until they are read from the store."""
        self.happenings: list[Happening] = []
        """What waits until the counts are read anew."""
        self.busy = False
        self.applied = 0
        """How many happenings were handed on: whoever catches up sees that there were more."""


class People:
    """Everybody with a socket on this node."""

    def __init__(self) -> None:
        self._by_number: dict[int, Person] = {}

    def __len__(self) -> int:
        return len(self._by_number)

    def get(self, number: int) -> Person | None:
        """Return the person if she has a socket here."""
        return self._by_number.get(number)

    def join(self, reader: Reader, socket: Socket[Session]) -> Person:
        """Add a socket."""
        person = self._by_number.get(reader.number)
        if person is None:
            person = self._by_number[reader.number] = Person(reader)
        person.sockets.append(socket)
        return person

    def leave(self, socket: Socket[Session]) -> None:
        """Remove a socket, and the person with her last one."""
        person = socket.session.person
        if person is None:
            return
        person.sockets = [each for each in person.sockets if each is not socket]
        if not person.sockets:
            self._by_number.pop(person.number, None)

    def among(self, numbers: BitMap, block: int) -> list[Person]:
        """Return those of *numbers*, all in *block*, who are connected."""
        here = [person for number, person in self._by_number.items() if number >> 16 == block]
        return [person for person in here if person.number in numbers]

    def all(self) -> list[Person]:
        """Return everybody."""
        return list(self._by_number.values())
