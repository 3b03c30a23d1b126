"""What all simulators share: a socket, a mailbox, faults, and what tests look at."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from tocsin.channels.mailbox import Mailbox
from tocsin.channels.quotas import Quota, Quotas
from tocsin.errors import Conflict, FieldProblem, NotFound, RequestRefused
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial, Faults, Proof, Received, Stage, Taken, Tell

_CALLS_HELD: Final = 10_000
_STANDING_MAX: Final = 10_000
_LOST: Final = frozenset({Dial.TAKE_AND_DROP, Dial.DROP})
_TAKEN: Final = frozenset({Dial.ACCEPT, Dial.FAIL, Dial.TAKE_AND_DROP, Dial.STALL})

Factory = Callable[[], asyncio.BaseProtocol]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Breakable(Protocol):
    """A connection that can be broken off: any transport of asyncio's."""

    def abort(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Deal:
    """What happens to one message: ``code`` is the vendor's error to answer with, if drawn."""

    dial: Dial
    code: str | None = None
    after_ms: int | None = None
    """When to come back, where that follows from what was let through before."""

    @property
    def lost(self) -> bool:
        """Whether the connection is closed instead of an answer."""
        return self.dial in _LOST

    @property
    def taken(self) -> bool:
        """Whether the vendor has the message, whatever it answers."""
        return self.dial in _TAKEN


class Simulating(ABC):
    """
    The half of `tocsin.ports.simulator.Simulator` that is the same for every vendor.

    A folder's simulator inherits from it and adds ``start`` (which calls `_open` with what serves
    a connection), ``callback`` and ``signed``. For each call that has arrived whole it calls
    `_arrived`; for each message `_deal`, then `_keep` with what the answer will be, then `_wait`,
    and only then answers (not when `Deal.lost`).
    """

    provider: str
    channel: str
    codes: Mapping[str, Dial] = {}
    actions: Mapping[Action, ReceiptState] = {}
    speaks: frozenset[Action] = frozenset()
    silence = ""
    proof = Proof.BYTES
    quota: Quota | None = None
    """What is let through to each address, by the vendor's documentation."""

    def __init__(self) -> None:
        self._stage = Stage()
        self._quotas = None if self.quota is None else Quotas(self.quota)
        self._mailbox = Mailbox(None, held_max=self._stage.held_max)
        self._faults = Faults()
        self._dials: deque[Dial] = deque()
        self._calls: deque[Sequence[str]] = deque(maxlen=_CALLS_HELD)
        self._called = 0
        self._released = asyncio.Event()
        self._changed = asyncio.Condition()
        self._factory: Factory | None = None
        self._tls: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._port = 0
        self._connections: set[Breakable] = set()
        self._standing: OrderedDict[str, str] = OrderedDict()

    # What the sandbox and tests ask

    @property
    def port(self) -> int:
        """Where it listens, or did before it went down."""
        return self._port

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self._faults

    async def set_faults(self, faults: Faults) -> None:
        """Let this go wrong from now on."""
        unknown = sorted(set(faults.errors) - set(self.codes))
        if unknown:
            detail = f"{self.provider} answers with {', '.join(self.codes) or 'no errors'}"
            problem = FieldProblem(f"/errors/{unknown[0]}", "unknown_code", detail)
            raise RequestRefused("a field is wrong, see errors", errors=(problem,))
        if sum(faults.errors.values()) > 1:
            detail = "the probabilities of all errors together are more than 1"
            problem = FieldProblem("/errors", "too_likely", detail)
            raise RequestRefused("a field is wrong, see errors", errors=(problem,))
        was, self._faults = self._faults, faults
        if faults.down:
            self._hang_up()
        elif was.down:
            await self._listen()

    def messages(
        self,
        *,
        to: str | None = None,
        since_ms: int | None = None,
        about: Callable[[str], bool] | None = None,
        limit: int = 100,
    ) -> Sequence[Received]:
        """Return the newest."""
        found = self._mailbox.newest_first(to=to, since_ms=since_ms, about=about)
        return list(islice(found, limit))

    def message(self, id: str) -> Received:
        """Return one."""
        provider, _, number = id.rpartition("-")
        if provider != self.provider or not (number.isascii() and number.isdecimal()):
            raise NotFound("there is no such message in the sandbox")
        return self._mailbox.get(int(number))

    async def act(self, deed: Deed, tell: Tell) -> str:
        """Report what became of the message; what more a person can do the folder's own adds."""
        message = self.message(deed.id)
        state = self.actions.get(deed.action)
        if state is None:
            raise self._impossible()
        await tell(self.callback([message.reference], state, deed.at_ms))
        return ""

    @abstractmethod
    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return the request by which the vendor would report."""

    def dial(self, dials: Sequence[Dial]) -> None:
        """Do this with the next messages."""
        self._dials = deque(dials)

    def release(self) -> None:
        """Answer what is stalled."""
        self._released.set()

    async def until_called(self, count: int) -> None:
        """Return when *count* calls have arrived."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._called >= count)

    async def until_taken(self, count: int) -> None:
        """Return when *count* messages have been taken."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.taken) >= count)

    @property
    def calls(self) -> Sequence[Sequence[str]]:
        """The references of the last calls."""
        return list(self._calls)

    @property
    def taken(self) -> Sequence[Taken]:
        """What was taken, in order."""
        return [
            Taken(
                each.reference,
                each.to,
                "\n".join(each.content.values()),
                each.trace,
                each.supersedes,
                each.content,
                each.raw,
            )
            for each in self._mailbox.oldest_first()
            if each.taken
        ]

    async def close(self) -> None:
        """Break off every connection and stop listening."""
        self._hang_up()
        self.release()
        # Another turn, so that what was broken off has ended.
        await asyncio.sleep(0)
        self._mailbox.close()

    # What a folder's simulator calls

    def _impossible(self) -> Conflict:
        can = ", ".join((*self.actions, *sorted(self.speaks)))
        why = f"it can: {can}" if can else f"it can none of these: {self.silence}"
        return Conflict(
            f"{self.provider} reports nothing of the kind; {why}", code="action_not_possible"
        )

    async def _open(
        self, stage: Stage | None, factory: Factory, tls: ssl.SSLContext | None = None
    ) -> int:
        """
        Play on *stage*: listen with a protocol of *factory* for each connection; the port.

        With *tls* each connection begins with a handshake.
        """
        if stage is not None:
            self._stage = stage
            self._mailbox = Mailbox(stage.log, held_max=stage.held_max)
        self._factory, self._tls = factory, tls
        self._port = self._stage.port
        await self._listen()
        return self._port

    def _streams(self, serve: Serve) -> Factory:
        """Return a factory for `_open` that calls *serve*, as `asyncio.start_server` does."""
        loop = asyncio.get_running_loop()

        def made() -> asyncio.BaseProtocol:
            reader = asyncio.StreamReader(loop=loop)
            return asyncio.StreamReaderProtocol(reader, serve, loop=loop)

        return made

    def _connected(self, transport: Breakable) -> None:
        """Note a connection, so that it can be broken off."""
        self._connections.add(transport)

    def _gone(self, transport: Breakable) -> None:
        """Forget a connection."""
        self._connections.discard(transport)

    async def _arrived(self, references: Iterable[str]) -> None:
        """Note a call that has arrived whole."""
        self._calls.append(tuple(references))
        self._called += 1
        await self._tell()

    def _deal(self, address: str) -> Deal:
        """Say what happens to the next message; what was dialled comes first."""
        if self._dials:
            return Deal(self._dials.popleft())
        if address in self._faults.dead:
            return Deal(Dial.DEAD_ADDRESS)
        drawn = self._stage.fraction()
        for code, share in self._faults.errors.items():
            drawn -= share
            if drawn < 0:
                return Deal(self.codes[code], code)
        lost = self._faults.lose_replies > 0 and self._stage.fraction() < self._faults.lose_replies
        return Deal(Dial.TAKE_AND_DROP) if lost else self._within_quota(address)

    def _within_quota(self, address: str) -> Deal:
        # A stage without a clock stands still at 0, and nothing would ever come back.
        now_ms = self._stage.now_ms()
        after_ms = self._quotas.take(address, now_ms) if self._quotas and now_ms else 0
        return Deal(Dial.THROTTLE, after_ms=after_ms) if after_ms else Deal(Dial.ACCEPT)

    async def _wait(self, deal: Deal) -> None:
        """Let the time pass that an answer takes."""
        if deal.dial is Dial.STALL:
            await self._released.wait()
        if self._faults.latency_ms:
            await asyncio.sleep(self._faults.latency_ms / 1000)

    async def _keep(
        self,
        *,
        reference: str,
        to: str,
        content: Mapping[str, str],
        raw: bytes,
        answer: str,
        taken: bool,
        trace: str | None = None,
        supersedes: str | None = None,
        place: str | None = None,
    ) -> str:
        """
        Keep a message that arrived whole, before it is answered; returns its id.

        Of those at the same *place*, such as a collapse key's on a device, the last is seen.
        """
        id = f"{self.provider}-{self._mailbox.next_number}"
        self._mailbox.add(
            Received(
                id=id,
                provider=self.provider,
                channel=self.channel,
                reference=reference,
                to=to,
                received_ms=self._stage.now_ms(),
                content=content,
                raw=raw,
                answer=answer,
                taken=taken,
                trace=trace,
                supersedes=supersedes,
                replaces=self._replaced(place, reference) if taken else None,
            )
        )
        await self._tell()
        return id

    def _replaced(self, place: str | None, reference: str) -> str | None:
        if place is None:
            return None
        before = self._standing.pop(place, None)
        self._standing[place] = reference
        if len(self._standing) > _STANDING_MAX:
            self._standing.popitem(last=False)
        return before if before != reference else None

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _listen(self) -> None:
        assert self._factory is not None
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._factory, "127.0.0.1", self._port, ssl=self._tls
            )
        except OSError:
            # Somebody else has the port by now.
            self._server = await loop.create_server(self._factory, "127.0.0.1", 0, ssl=self._tls)
        self._port = int(self._server.sockets[0].getsockname()[1])

    def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in tuple(self._connections):
            transport.abort()
