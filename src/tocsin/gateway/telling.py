"""Telling a person's devices what happened, each message with the counts that hold after it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import structlog

from tocsin.app.feed_watch import FeedWatch
from tocsin.app.inbox import InboxDesk, counts_json
from tocsin.domain.inbox import Counts
from tocsin.domain.records import Broadcast, Item, StateChange
from tocsin.errors import NotFound, TocsinError
from tocsin.gateway import messages
from tocsin.gateway.catching_up import CatchUp
from tocsin.gateway.outbox import Outbox
from tocsin.gateway.people import Happening, Person, Session, Stage
from tocsin.gateway.socket import Socket

_STABLE_TRIES: Final = 8

# Looking a member up in its enumeration takes as long as writing a cursor, on the hottest path.
LIVE: Final = Stage.LIVE

logger = structlog.get_logger(__name__)


class Telling:
    """
    Hands on happenings, at once or after the counts were read from the store.

    What happens to a person is handed on in the order in which it came. Nothing is flushed by
    `hand_on`: whoever calls it does so at the end.
    """

    def __init__(
        self,
        inbox: InboxDesk,
        outbox: Outbox,
        watch: FeedWatch,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._watch = watch
        self._spawn = spawn
        self._catch_up = CatchUp(inbox, outbox, spawn, self._caught_up)

    def resume(self, socket: Socket[Session], cursor: str) -> None:
        """Send what *socket* missed since *cursor*."""
        self._catch_up.resume(socket, cursor)

    def note(self, person: Person, happening: Happening) -> None:
        """Hand it on when the counts have been read anew."""
        person.happenings.append(happening)
        self._begin(person)

    def recount(self, person: Person) -> None:
        """Read the counts anew and tell them if they have changed."""
        person.doubtful = True
        self._begin(person)

    def welcome(self, person: Person) -> None:
        """Greet the sockets that are new, at once if the counts are known."""
        counts = person.counts
        if counts is None or person.busy or not self._inbox.alive(counts.next_expiry_ms):
            self._begin(person)
            return
        self._greet(person, counts)
        self._outbox.flush()

    def make_good(self, person: Person) -> None:
        """Let every device catch up from what it was last sent: the feed lost something."""
        person.vector = list(self._inbox.ends(person.number))
        for socket in person.sockets:
            session = socket.session
            if session.stage is Stage.LIVE:
                session.resume_from = session.cursor
                self._catch_up.begin(socket)
        self.recount(person)

    def hand_on(self, person: Person, happening: Happening, body: bytes, counts: Counts) -> None:
        """Put one happening into the outbox of every live device."""
        stream, position, record = happening
        if position < person.vector[stream]:
            return
        person.vector[stream] = position + 1
        cursor = self._inbox.cursor(person.vector)
        prev, payload = "", b""
        for socket in person.sockets:
            session = socket.session
            if session.stage is not LIVE:
                continue
            if session.ahead is not None:
                self._hand_to_one_ahead(person, socket, happening, body, counts)
                continue
            if session.cursor != prev or not payload:
                prev = session.cursor
                payload = self._message(prev, cursor, record, body, counts)
            session.cursor = cursor
            self._outbox.put(socket, payload)

    def _hand_to_one_ahead(
        self,
        person: Person,
        socket: Socket[Session],
        happening: Happening,
        body: bytes,
        counts: Counts,
    ) -> None:
        stream, position, record = happening
        session = socket.session
        ahead = session.ahead
        assert ahead is not None
        if position < ahead[stream]:
            return
        cursor = self._inbox.cursor(tuple(map(max, ahead, person.vector)))
        self._outbox.put(socket, self._message(session.cursor, cursor, record, body, counts))
        session.cursor = cursor

    def _message(
        self,
        prev: str,
        cursor: str,
        record: Item | StateChange | Broadcast,
        body: bytes,
        counts: Counts,
    ) -> bytes:
        if isinstance(record, StateChange):
            until = self._inbox.cursor(record.until) if record.until else ""
            return messages.state(prev, cursor, record, until, counts)
        return messages.item(prev, cursor, body, counts)

    # ------------------------------------------------------------ after reading the counts

    def _begin(self, person: Person) -> None:
        if not person.busy:
            person.busy = True
            self._spawn(self._refresh(person))

    async def _refresh(self, person: Person) -> None:
        """Read the counts until nothing happened meanwhile, then tell what has happened."""
        try:
            while person.sockets and not await self._told(person):
                continue
        except TocsinError as error:
            logger.warning("inbox_away", code=error.code)
            self._give_up(person)
        person.busy = False
        self._level(person)

    async def _told(self, person: Person) -> bool:
        """Tell what happened up to now; False when more happened meanwhile."""
        counts, stable = await self._counts(person)
        happened, person.happenings = person.happenings, []
        bodies = [await self._body(person, record) for _, _, record in happened]
        self._tell(person, happened, bodies, counts)
        return stable and not person.happenings and not person.doubtful

    async def _counts(self, person: Person) -> tuple[Counts, bool]:
        """
        Return the counts, and whether they are from a time in which nothing happened.

        She may get messages faster than they can be counted. Then these counts are late, and
        another round mends them.
        """
        tries = 0
        while True:
            waiting = len(person.happenings)
            person.doubtful = False
            counts = await self._inbox.counts(person.number)
            tries += 1
            stable = len(person.happenings) == waiting and not person.doubtful
            holds = self._inbox.alive(counts.next_expiry_ms)
            # Counts that never hold for long end like those that are late: `heal` reads them anew.
            if (stable and holds) or tries == _STABLE_TRIES:
                return counts, stable

    async def _body(self, person: Person, record: Item | StateChange | Broadcast) -> bytes | None:
        """Return the text to send; None when there is nothing to be shown any more."""
        if isinstance(record, StateChange):
            return b""
        if not self._inbox.alive(record.expires_ms):
            return None
        if isinstance(record, Item):
            return record.body
        try:
            return await self._inbox.broadcast_text(record, person.number)
        except NotFound:
            return None

    def _tell(
        self,
        person: Person,
        happened: Sequence[Happening],
        bodies: Sequence[bytes | None],
        counts: Counts,
    ) -> None:
        before = person.counts
        person.counts = counts
        told = before is None or counts_json(before) == counts_json(counts)
        for happening, body in zip(happened, bodies, strict=True):
            stream, position, _ = happening
            if body is None:
                person.vector[stream] = max(position + 1, person.vector[stream])
            else:
                self.hand_on(person, happening, body, counts)
                told = True
        if person.uneven or not told:
            person.uneven = False
            for socket in person.sockets:
                if socket.session.stage is Stage.LIVE:
                    self._outbox.put(socket, messages.counted(socket.session.cursor, counts))
        self._greet(person, counts)
        self._outbox.flush()

    def _greet(self, person: Person, counts: Counts) -> None:
        cursor = self._inbox.cursor(person.vector)
        for socket in person.sockets:
            session = socket.session
            if session.stage is not Stage.NEW:
                continue
            session.cursor = cursor
            self._outbox.put(socket, messages.hello(cursor, counts))
            if session.resume_from is None:
                session.stage = Stage.LIVE
            else:
                self._catch_up.begin(socket)

    def _give_up(self, person: Person) -> None:
        """The store is away: the devices come again, and resume."""
        person.happenings.clear()
        person.counts = None
        person.vector = list(self._inbox.ends(person.number))
        for socket in tuple(person.sockets):
            socket.close(1013, "resync")

    def _caught_up(self, person: Person, counts: Counts | None) -> None:
        """
        Take back a device that is live again and was told *counts* last; None for none.

        Time may have changed them since they were read, and the others have been told so.
        """
        if counts is not None and (
            person.busy
            or person.counts is None
            or counts_json(person.counts) != counts_json(counts)
        ):
            person.uneven = True
            self.recount(person)
        self._level(person)

    def _level(self, person: Person) -> None:
        """
        Let devices that are ahead of the others lead them, where the others have missed nothing.

        What lies between concerns somebody else, if everything was handed on and the feed has
        told all that there is.
        """
        ahead = [s.session.ahead for s in person.sockets if s.session.ahead is not None]
        if not ahead or person.busy or person.happenings or not self._watch.whole(person.number):
            return
        for vector in ahead:
            person.vector = list(map(max, person.vector, vector))
        for socket in person.sockets:
            socket.session.ahead = None
