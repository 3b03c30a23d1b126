"""A client that says where it was gets exactly what it missed, or is told to read anew."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from tocsin.app.inbox import InboxDesk
from tocsin.domain.inbox import Counts
from tocsin.domain.records import StateChange
from tocsin.domain.topics import STATES_STREAM
from tocsin.errors import NotFound, TocsinError
from tocsin.gateway import messages
from tocsin.gateway.outbox import Outbox
from tocsin.gateway.people import Person, Session, Stage
from tocsin.gateway.socket import Socket
from tocsin.ports.views import Missed, StoredItem

logger = structlog.get_logger(__name__)


class CatchUp:
    """
    Answers ``resume``.

    While a socket catches up it gets nothing else. It is live again in the same turn of the loop
    in which it is seen to have everything that the live ones were sent, so that nothing falls
    between; and where it has more than they, it says so, so that nothing comes twice.
    """

    def __init__(
        self,
        inbox: InboxDesk,
        outbox: Outbox,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        caught_up: Callable[[Person, Counts | None], None],
    ) -> None:
        """
        *caught_up* is called when a socket has become live, perhaps ahead of the others, with the
        counts that it was told last.
        """
        self._inbox = inbox
        self._outbox = outbox
        self._spawn = spawn
        self._caught_up = caught_up

    def resume(self, socket: Socket[Session], cursor: str) -> None:
        """Go on from *cursor* when the socket is greeted and does not do so already."""
        session = socket.session
        session.resume_from = cursor
        if session.stage is Stage.LIVE:
            self.begin(socket)

    def begin(self, socket: Socket[Session]) -> None:
        """Send what came after ``resume_from``."""
        socket.session.stage = Stage.CATCHING_UP
        person = socket.session.person
        assert person is not None
        self._spawn(self._run(socket, person))

    async def _run(self, socket: Socket[Session], person: Person) -> None:
        session = socket.session
        try:
            vector, counts = await self._round(socket, person, tuple(person.vector))
            while session.resume_from is not None or _behind(vector, person.vector):
                if socket not in person.sockets:
                    return
                vector, counts = await self._round(socket, person, vector)
        except TocsinError as error:
            logger.warning("resume_failed", code=error.code)
            socket.close(1013, "resync")
            return
        session.ahead = tuple(vector)
        session.stage = Stage.LIVE
        self._caught_up(person, counts)

    async def _round(
        self, socket: Socket[Session], person: Person, vector: Sequence[int]
    ) -> tuple[Sequence[int], Counts | None]:
        """
        Send once what there is after *vector*, or after where the client wants to go on.

        Returns how far that reached, and the counts that were told.
        """
        session = socket.session
        known: Sequence[int] | None = vector
        if session.resume_from is not None:
            session.cursor, session.resume_from = session.resume_from, None
            known = self._inbox.vector(session.cursor)
        ends = self._inbox.ends(person.number)
        missed = None if known is None else await self._inbox.missed(person.number, known)
        if known is None or missed is None:
            session.cursor = self._inbox.cursor(person.vector)
            self._outbox.send(socket, messages.RESYNC)
            return tuple(person.vector), None
        counts = await self._inbox.counts(person.number)
        bodies = await self._bodies(missed, person)
        told = self._send(socket, known, bodies, counts)
        # Up to here she has it all: what lies between, in her partitions, is other people's.
        return tuple(map(max, told, ends)), counts

    async def _bodies(
        self, missed: Missed, person: Person
    ) -> list[tuple[int, int, StateChange | bytes | None]]:
        """Return (stream, position, what to send) by stream and position."""
        found: list[tuple[int, int, StateChange | bytes | None]] = [
            (each.stream, each.position, await self._text(each, person)) for each in missed.items
        ]
        found += [(STATES_STREAM, position, change) for position, change in missed.changes]
        return sorted(found, key=_stream_and_position)

    async def _text(self, item: StoredItem, person: Person) -> bytes | None:
        if not self._inbox.alive(item.expires_ms):
            return None
        try:
            return await self._inbox.text(item, person.reader)
        except NotFound:
            return None

    def _send(
        self,
        socket: Socket[Session],
        vector: Sequence[int],
        found: Sequence[tuple[int, int, StateChange | bytes | None]],
        counts: Counts,
    ) -> Sequence[int]:
        session = socket.session
        reached = list(vector)
        # A connection that breaks half-way has a cursor before what it did not get.
        for stream, position, what in found:
            reached[stream] = position + 1
            if what is None:
                continue
            cursor = self._inbox.cursor(reached)
            if isinstance(what, bytes):
                payload = messages.item(session.cursor, cursor, what, counts)
            else:
                until = self._inbox.cursor(what.until) if what.until else ""
                payload = messages.state(session.cursor, cursor, what, until, counts)
            self._outbox.put(socket, payload)
            session.cursor = cursor
        if session.outbox is None:
            # So the client knows that it has missed nothing, and which counts hold.
            self._outbox.put(socket, messages.counted(session.cursor, counts))
        self._outbox.flush()
        return reached


def _behind(vector: Sequence[int], other: Sequence[int]) -> bool:
    return any(mine < its for mine, its in zip(vector, other, strict=True))


def _stream_and_position(each: tuple[int, int, object]) -> tuple[int, int]:
    return each[0], each[1]
