"""A client that says where it was gets exactly what it missed, or is told to read anew."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from tocsin.app.inbox import InboxDesk, Reader
from tocsin.domain.cursor import read_cursor
from tocsin.domain.inbox import Counts
from tocsin.domain.records import StateChange
from tocsin.errors import TocsinError
from tocsin.gateway import messages
from tocsin.gateway.people import Person, Session
from tocsin.gateway.socket import Socket
from tocsin.ports.views import Missed, StoredItem

Send = Callable[[Socket[Session], bytes], None]

logger = structlog.get_logger(__name__)


class CatchUp:
    """Answers ``resume``."""

    def __init__(self, inbox: InboxDesk, send: Send) -> None:
        self._inbox = inbox
        self._send = send

    async def resume(self, socket: Socket[Session], cursor: str) -> None:
        """
        Send what came after *cursor*; the socket is live again when nothing is left.

        While it catches up it gets nothing else, so its cursor never runs ahead of what it has.
        """
        session = socket.session
        person = session.person
        if person is None:
            return
        session.live = False
        try:
            session.cursor = await self._send_missed(socket, person, cursor)
        except TocsinError as error:
            logger.warning("resume_failed", code=error.code)
            socket.close(1013, "resync")
            return
        session.live = True

    async def _send_missed(self, socket: Socket[Session], person: Person, cursor: str) -> str:
        while True:
            applied = person.applied
            missed = await self._inbox.missed(person.number, cursor)
            if missed is None:
                cursor = self._inbox.cursor(self._inbox.ends(person.number))
                self._send(socket, messages.RESYNC)
            else:
                counts = await self._inbox.counts(person.number)
                cursor = await self._send_some(socket, person.reader, missed, cursor, counts)
            if person.applied == applied and not person.happenings:
                return cursor

    async def _send_some(
        self,
        socket: Socket[Session],
        reader: Reader,
        missed: Missed,
        cursor: str,
        counts: Counts,
    ) -> str:
        vector = list(read_cursor(cursor, self._inbox.incarnation) or ())
        # Within a stream by position: a connection that breaks half-way has a cursor before
        # what it did not get.
        for stream, position, each in in_order(missed):
            vector[stream] = position + 1
            following = self._inbox.cursor(vector)
            if isinstance(each, StateChange):
                payload = messages.state(cursor, following, each, counts)
            else:
                body = await self._inbox.text(each, reader)
                payload = messages.item(cursor, following, body, counts)
            self._send(socket, payload)
            cursor = following
        return cursor


def in_order(missed: Missed) -> list[tuple[int, int, StoredItem | StateChange]]:
    """Return (stream, position, what) by stream and position."""
    found: list[tuple[int, int, StoredItem | StateChange]] = [
        (each.stream, each.position, each) for each in missed.items
    ]
    found += [(3, position, change) for position, change in missed.changes]
    return sorted(found, key=_stream_and_position)


def _stream_and_position(each: tuple[int, int, object]) -> tuple[int, int]:
    return each[0], each[1]
