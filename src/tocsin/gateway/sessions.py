"""Sessions of recipients' clients: what happens in an inbox reaches every device, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

import msgspec
import structlog
from pyroaring import BitMap

from tocsin.app.callers import Principal, Scope
from tocsin.app.inbox import InboxDesk, Reader
from tocsin.domain.inbox import Counts, one_more
from tocsin.domain.reasons import Reason
from tocsin.domain.records import Broadcast, Item, StateChange
from tocsin.errors import Forbidden, RateLimited, RequestRefused, TocsinError, Unauthenticated
from tocsin.gateway import messages
from tocsin.gateway.catching_up import CatchUp
from tocsin.gateway.frames import text_frame
from tocsin.gateway.handshake import SocketRequest
from tocsin.gateway.messages import ClientMessage, decode_message
from tocsin.gateway.people import Happening, People, Person, Session
from tocsin.gateway.socket import Accept, Socket
from tocsin.ports.cache import Presence
from tocsin.ports.log import Batch

BATCH_PROTOCOL: Final = "tocsin.v1.batch"
_STABLE_TRIES: Final = 8

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
        sockets_per_recipient_max: int,
        stream_of: Callable[[str], int],
    ) -> None:
        self.people = People()
        self.sent = 0
        """Messages sent, for metrics."""
        self._access = access
        self._inbox = inbox
        self._presence = presence
        self._node = node
        self._spawn = spawn
        self._sockets_max = sockets_per_recipient_max
        self._stream_of = stream_of
        self._catch_up = CatchUp(inbox, self.send)

    def open(self, request: SocketRequest) -> Accept[Session]:
        """Accept a client with a good token, or one that will send it first."""
        batch = request.subprotocol == BATCH_PROTOCOL
        if request.bearer is None:
            return Accept(Session(None, batch=batch), authenticated=False)
        return Accept(Session(self._reader(request.bearer, "socket"), batch=batch))

    def opened(self, socket: Socket[Session]) -> None:
        """Greet a client whose token came with the handshake."""
        if socket.session.reader is not None:
            self._join(socket, socket.session.reader)

    def closed(self, socket: Socket[Session], code: int) -> None:
        """Forget the socket."""
        person = socket.session.person
        self.people.leave(socket)
        if person is not None and not person.sockets:
            self._presence.left(person.number, self._node)

    def message(self, socket: Socket[Session], data: bytes) -> None:
        """Do what the client asks."""
        try:
            said = decode_message(data)
        except msgspec.MsgspecError as error:
            socket.send_text(messages.refusal("invalid_message", str(error)))
            return
        reader = socket.session.reader
        if reader is None:
            self._authenticate(socket, said)
        elif said.type == "resume":
            self._spawn(self._catch_up.resume(socket, said.cursor))
        elif said.type != "auth":
            self._spawn(self._change(socket, reader, said))

    def receive(self, batches: Sequence[Batch]) -> None:
        """Hand on what became durable; subscribed to the feed."""
        people = self.people
        if not len(people):
            return
        for batch in batches:
            stream = self._stream_of(batch.topic)
            for position, record in enumerate(batch.records, batch.position):
                if isinstance(record, Item | StateChange):
                    person = people.get(record.recipient)
                    if person is not None:
                        self._happened(person, (stream, position, record))
                elif isinstance(record, Broadcast):
                    self._broadcast(stream, position, record)

    def send(self, socket: Socket[Session], payload: bytes) -> None:
        """Send one message."""
        self.sent += 1
        socket.send_text(b"[%b]" % payload if socket.session.batch else payload)

    def _reader(self, token: str, client: str) -> Reader:
        caller = self._access.token_caller(token, client)
        if caller.recipient is None or not caller.reaches(Scope.INBOX):
            raise Forbidden("an inbox socket needs a recipient's token with the scope inbox")
        return Reader(caller.recipient, caller.recipient_id or "")

    def _authenticate(self, socket: Socket[Session], said: ClientMessage) -> None:
        try:
            if said.type != "auth":
                raise Unauthenticated("the first message must be auth with a token")
            reader = self._reader(said.token, "socket")
        except (Unauthenticated, Forbidden, RateLimited) as error:
            socket.send_text(messages.refusal(error.code, error.detail))
            socket.close(1008, error.code)
            return
        socket.session.reader = reader
        socket.authenticate()
        self._join(socket, reader)

    def _join(self, socket: Socket[Session], reader: Reader) -> None:
        known = self.people.get(reader.number)
        if known is not None and len(known.sockets) >= self._sockets_max:
            socket.close(1008, "too_many_sockets")
            return
        person = self.people.join(reader, socket)
        socket.session.person = person
        if len(person.sockets) == 1:
            self._presence.arrived(person.number, self._node)
        if person.counts is not None and not person.busy:
            self._greet(person, person.counts)
        elif not person.busy:
            self._begin(person)

    def _happened(self, person: Person, happening: Happening) -> None:
        record = happening[2]
        if person.busy or person.counts is None or isinstance(record, StateChange):
            person.happenings.append(happening)
            if not person.busy:
                self._begin(person)
            return
        assert isinstance(record, Item)
        person.counts = one_more(person.counts)
        self._hand_on(person, happening, record.body, person.counts)

    def _broadcast(self, stream: int, position: int, record: Broadcast) -> None:
        receivers = record.by_reason.get(Reason.SEND)
        if receivers is None:
            return
        for person in self.people.among(BitMap.deserialize(receivers), record.block):
            person.happenings.append((stream, position, record))
            if not person.busy:
                self._begin(person)

    def _begin(self, person: Person) -> None:
        person.busy = True
        self._spawn(self._refresh(person))

    async def _refresh(self, person: Person) -> None:
        """Read the counts until nothing happened meanwhile, then hand on what has happened."""
        try:
            vector, counts = await self._stable(person)
        except TocsinError as error:
            logger.warning("inbox_away", code=error.code)
            self._drop(person)
            return
        if not person.vector:
            person.vector = list(vector)
        happened, person.happenings = person.happenings, []
        bodies = [await self._body(person, record) for _, _, record in happened]
        for happening, body in zip(happened, bodies, strict=True):
            self._hand_on(person, happening, body, counts)
        person.counts = counts
        person.busy = False
        self._greet(person, counts)
        if person.happenings:
            self._begin(person)

    async def _stable(self, person: Person) -> tuple[tuple[int, ...], Counts]:
        tries = 0
        while True:
            vector = self._inbox.ends(person.number)
            before = len(person.happenings)
            counts = await self._inbox.counts(person.number)
            tries += 1
            # After some tries she gets messages faster than they can be counted: what happens
            # next has them counted again.
            if len(person.happenings) == before or tries == _STABLE_TRIES:
                return vector, counts

    async def _body(self, person: Person, record: Item | StateChange | Broadcast) -> bytes:
        if isinstance(record, Broadcast):
            return await self._inbox.broadcast_text(record, person.number)
        return record.body if isinstance(record, Item) else b""

    def _hand_on(self, person: Person, happening: Happening, body: bytes, counts: Counts) -> None:
        """Send one happening to every live device; devices that agree share the frame."""
        stream, position, record = happening
        person.applied += 1
        if position < person.vector[stream]:
            return
        person.vector[stream] = position + 1
        cursor = self._inbox.cursor(person.vector)
        made = ""
        frame = b""
        for socket in person.sockets:
            session = socket.session
            if not session.live:
                continue
            if session.batch or session.cursor != made or not frame:
                made = session.cursor
                payload = (
                    messages.state(made, cursor, record, counts)
                    if isinstance(record, StateChange)
                    else messages.item(made, cursor, body, counts)
                )
                frame = text_frame(b"[%b]" % payload if session.batch else payload)
            session.cursor = cursor
            self.sent += 1
            socket.send(frame)

    def _greet(self, person: Person, counts: Counts) -> None:
        cursor = self._inbox.cursor(person.vector)
        for socket in person.sockets:
            session = socket.session
            if not session.live and not session.cursor:
                session.cursor = cursor
                session.live = True
                self.send(socket, messages.hello(cursor, counts))

    def _drop(self, person: Person) -> None:
        for socket in tuple(person.sockets):
            socket.close(1013, "resync")

    async def _change(self, socket: Socket[Session], reader: Reader, said: ClientMessage) -> None:
        try:
            if said.type.endswith("_all"):
                await self._inbox.change_all(reader, said.type.removesuffix("_all"))
            else:
                await self._inbox.change(reader, said.type, said.keys())
        except RequestRefused as error:
            self.send(socket, messages.refusal(error.code, error.detail))
        except TocsinError as error:
            logger.warning("state_not_kept", code=error.code)
            socket.close(1013, error.code)
        except asyncio.CancelledError:
            socket.close(1012, "restart")
            raise
