"""Sessions of recipients' clients: what happens in an inbox reaches every device, in order."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, Protocol

import structlog
from pyroaring import BitMap

from tocsin.app.callers import Principal, Scope
from tocsin.app.feed_watch import FeedWatch, Place
from tocsin.app.inbox import InboxDesk, Reader
from tocsin.domain.inbox import one_more
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.reasons import Reason
from tocsin.domain.records import Broadcast, Item, StateChange
from tocsin.errors import Forbidden, RateLimited, Unauthenticated
from tocsin.gateway import messages
from tocsin.gateway.changing import Changes
from tocsin.gateway.expiring import Expiring
from tocsin.gateway.handshake import SocketRequest
from tocsin.gateway.messages import ClientMessage, decode_message
from tocsin.gateway.outbox import Outbox
from tocsin.gateway.people import People, Person, Session
from tocsin.gateway.socket import Accept, Socket
from tocsin.gateway.telling import Telling
from tocsin.ports.cache import Presence
from tocsin.ports.log import Batch

BATCH_PROTOCOL: Final = "tocsin.v1.batch"

logger = structlog.get_logger(__name__)


class Callers(Protocol):
    """Finds out whose token it is (`tocsin.app.access.Access`)."""

    def token_caller(self, token: str, client: str) -> Principal:
        """Return the caller; raises `tocsin.errors.Unauthenticated`."""


class Sessions:
    """
    The gateway's handler: knows who is connected and hands on what became durable.

    An item goes out at once, with the counts one higher. Everything else waits until the counts
    have been read from the store again, so that no counter can drift.
    """

    def __init__(
        self,
        access: Callers,
        inbox: InboxDesk,
        presence: Presence,
        *,
        node: str,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        wall_ms: Callable[[], int],
        sockets_per_recipient_max: int,
        stream_of: Callable[[str], int],
    ) -> None:
        """*wall_ms* is real time, by which tokens end."""
        self.people = People()
        self._access = access
        self._inbox = inbox
        self._presence = presence
        self._node = node
        self._wall_ms = wall_ms
        self._sockets_max = sockets_per_recipient_max
        self._stream_of = stream_of
        self._watch = FeedWatch(inbox.places, inbox.ends)
        self._expiring = Expiring()
        self._outbox = Outbox()
        self._telling = Telling(inbox, self._outbox, self._watch, spawn)
        self._changes = Changes(inbox, self._outbox, spawn)

    @property
    def sent(self) -> int:
        """Messages sent, for metrics."""
        return self._outbox.sent

    # ------------------------------------------------------------ what the sockets call

    def open(self, request: SocketRequest) -> Accept[Session]:
        """Accept a client with a good token, or one that will send it first."""
        batch = request.subprotocol == BATCH_PROTOCOL
        if request.bearer is None:
            return Accept(Session(None, batch=batch), authenticated=False)
        reader, expires_ms = self._reader(request.bearer)
        return Accept(Session(reader, batch=batch, expires_ms=expires_ms))

    def opened(self, socket: Socket[Session]) -> None:
        """Greet a client whose token came with the handshake."""
        if socket.session.reader is not None:
            self._join(socket, socket.session.reader)

    def closed(self, socket: Socket[Session], code: int) -> None:
        """Forget the socket."""
        person = socket.session.person
        self._expiring.discard(socket)
        self.people.leave(socket)
        if person is not None and not person.sockets:
            self._presence.left(person.number, self._node)

    def message(self, socket: Socket[Session], data: bytes) -> None:
        """Do what the client asks."""
        try:
            said = decode_message(data)
        except UNREADABLE as error:
            self._outbox.send(socket, messages.refusal("invalid_message", str(error)))
            return
        session = socket.session
        if session.reader is None or said.type == "auth":
            self._authenticate(socket, said)
        elif said.type == "resume":
            self._telling.resume(socket, said.cursor)
        else:
            self._changes.take(socket, session.reader, said)

    # ------------------------------------------------------------ what the feed calls

    def receive(self, batches: Sequence[Batch]) -> None:
        """Hand on what became durable; subscribed to the feed."""
        if not len(self.people):
            self._watch.forget()
            return
        for batch in batches:
            if not self._watch.take(batch):
                self._make_good({(batch.topic, batch.partition)})
            self._receive(batch)
        self._outbox.flush()

    def _receive(self, batch: Batch) -> None:
        stream = self._stream_of(batch.topic)
        get = self.people.get
        for position, record in enumerate(batch.records, batch.position):
            if isinstance(record, Item):
                person = get(record.recipient)
                if person is not None:
                    self._item(person, stream, position, record)
            elif isinstance(record, StateChange):
                person = get(record.recipient)
                if person is not None:
                    self._state(person, stream, position, record)
            elif isinstance(record, Broadcast):
                self._broadcast(stream, position, record)

    def _item(self, person: Person, stream: int, position: int, item: Item) -> None:
        counts = person.counts
        late = (
            counts is not None
            and counts.next_expiry_ms is not None
            and not self._inbox.alive(counts.next_expiry_ms)
        )
        if counts is None or late or person.busy:
            self._telling.note(person, (stream, position, item))
        elif item.expires_ms is not None and not self._inbox.alive(item.expires_ms):
            person.vector[stream] = max(position + 1, person.vector[stream])
        elif position >= person.vector[stream]:
            person.counts = counts = one_more(counts, item.expires_ms)
            self._telling.hand_on(person, (stream, position, item), item.body, counts)

    def _state(self, person: Person, stream: int, position: int, change: StateChange) -> None:
        counts = person.counts
        happening = (stream, position, change)
        # That a client has an item changes no count.
        if change.state == "received" and not person.busy and counts is not None:
            self._telling.hand_on(person, happening, b"", counts)
        else:
            self._telling.note(person, happening)

    def _broadcast(self, stream: int, position: int, record: Broadcast) -> None:
        receivers = record.by_reason.get(Reason.SEND)
        if receivers is None or record.channel != "inbox":
            return
        for person in self.people.among(BitMap.deserialize(receivers), record.block):
            self._telling.note(person, (stream, position, record))

    # ------------------------------------------------------------ what is called now and then

    def end_expired(self) -> None:
        """Close the sockets whose tokens are about to end; called every second."""
        for socket in self._expiring.due(self._wall_ms()):
            socket.close(1008, "token_expired")

    def end(self, numbers: Iterable[int]) -> None:
        """Close every socket of people who were erased."""
        for number in numbers:
            person = self.people.get(number)
            for socket in tuple(person.sockets) if person is not None else ():
                socket.close(1008, "erased")

    def heal(self) -> None:
        """
        Make good what the feed lost and what time changed; called every 30 s.

        Who may have missed something catches up from the store; counts of which something has
        expired are read anew.
        """
        lost = self._watch.behind()
        if lost:
            logger.warning("feed_lost", partitions=len(lost))
            self._make_good(lost)
        for person in self.people.all():
            if person.counts is not None and not self._inbox.alive(person.counts.next_expiry_ms):
                self._telling.recount(person)
        self._outbox.flush()

    def _make_good(self, lost: set[Place]) -> None:
        for person in self.people.all():
            if not lost.isdisjoint(self._inbox.places(person.number)):
                self._telling.make_good(person)

    # ------------------------------------------------------------ who it is

    def _reader(self, token: str) -> tuple[Reader, int]:
        caller = self._access.token_caller(token, "socket")
        if caller.recipient is None or not caller.reaches(Scope.INBOX):
            raise Forbidden("an inbox socket needs a recipient's token with the scope inbox")
        assert caller.expires_ms is not None
        return Reader(caller.recipient, caller.recipient_id or ""), caller.expires_ms

    def _authenticate(self, socket: Socket[Session], said: ClientMessage) -> None:
        """Take the first token, or a fresh one of the same person."""
        session = socket.session
        try:
            if said.type != "auth":
                raise Unauthenticated("the first message must be auth with a token")
            reader, expires_ms = self._reader(said.token)
            if session.reader is not None and session.reader.number != reader.number:
                raise Forbidden("a socket stays with the recipient for whom it was opened")
        except (Unauthenticated, Forbidden, RateLimited) as error:
            self._outbox.send(socket, messages.refusal(error.code, error.detail))
            socket.close(1008, error.code)
            return
        self._expiring.discard(socket)
        session.expires_ms = expires_ms
        if session.reader is not None:
            self._expiring.add(socket)
            return
        session.reader = reader
        socket.authenticate()
        self._join(socket, reader)

    def _join(self, socket: Socket[Session], reader: Reader) -> None:
        person = self.people.get(reader.number)
        if person is None:
            self._watch.watch(reader.number)
            person = Person(reader, self._inbox.ends(reader.number))
            self.people.arrive(person)
            self._presence.arrived(person.number, self._node)
        elif len(person.sockets) >= self._sockets_max:
            socket.close(1008, "too_many_sockets")
            return
        person.sockets.append(socket)
        socket.session.person = person
        self._expiring.add(socket)
        self._telling.welcome(person)
