"""
One connection to a server, as an asyncio protocol of our own.

A client library spends more on one letter than Tocsin on everything else about it: a lock, a
timer and a wake-up for each of four commands. Here the envelope is one write and one wake-up
(RFC 2920) and the letter another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple, cast

from tocsin.channels.email.smtp.meaning import Stage, meaning
from tocsin.channels.email.smtp.replies import BadReply, Replies, Reply
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, TryLater

_ENVELOPE: Final = (Stage.MAIL, Stage.RCPT, Stage.DATA)
_END: Final = b".\r\n"
_GO_ON: Final = 354
_GOING: Final = 421


class Lost(Exception):
    """The connection ended, or said what is no SMTP, before what was waited for came."""


class Envelope(NamedTuple):
    """Who a letter is from and goes to, as commands; each ends with CRLF."""

    mail: bytes
    rcpt: bytes


class Connection(asyncio.Protocol):
    """
    A connection and the replies that come over it; used by one caller at a time.

    ``letters`` counts what was sent over it; ``usable`` turns False for good once it must not be
    used again; ``idle_since`` is when the last caller gave it back, None while one has it. It is in
    *alive* for as long as its socket is open.
    """

    def __init__(self, alive: set[Connection]) -> None:
        self.letters = 0
        self.idle_since: float | None = None
        self.usable = True
        self.extensions: dict[str, str] = {}
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._alive = alive
        self._open_transaction = False
        self._transport: asyncio.Transport | None = None
        self._replies = Replies()
        self._got: list[Reply] = []
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports are ones without saying so.
        self._transport = cast(asyncio.Transport, transport)
        self._alive.add(self)

    def data_received(self, data: bytes) -> None:
        """Take in what came; wake the caller when all that it waits for is there."""
        try:
            self._got += self._replies.feed(data)
        except BadReply:
            self.abort()
        if self._waiter is not None and (len(self._got) >= self._wanted or not self.usable):
            self._wake()
        elif self.idle_since is not None:
            # Nobody has asked: the server says that it is about to leave.
            self.usable = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake the caller, who finds that what he waits for will not come."""
        self.usable = False
        self._alive.discard(self)
        self.gone.set_result(None)
        self._wake()

    def abort(self) -> None:
        """Let go of it at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def quit(self) -> None:
        """Say goodbye; nobody waits for the answer."""
        if self._transport is not None and self.usable:
            self._transport.write(b"QUIT\r\n")
            self._transport.close()
        self.usable = False

    async def replies(self, count: int) -> Sequence[Reply]:
        """Return the next *count* replies; fewer when the connection ends before."""
        while len(self._got) < count and self.usable:
            self._wanted = count
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        got, self._got = self._got[:count], self._got[count:]
        return got

    async def command(self, line: bytes) -> Reply:
        """Send one line and return the reply; raises `Lost`."""
        self.write(line + b"\r\n")
        return await self.reply()

    async def reply(self) -> Reply:
        """Return the next reply; raises `Lost`."""
        got = await self.replies(1)
        if not got:
            raise Lost
        return got[0]

    def write(self, data: bytes) -> None:
        """Send *data*; into a connection that has ended it is lost, as the reply will show."""
        assert self._transport is not None
        self._transport.write(data)

    def upgraded(self, transport: asyncio.Transport) -> None:
        """Go on over TLS, and forget what was said without it (RFC 3207, 4.2)."""
        self._transport = transport
        self.extensions = {}

    @property
    def transport(self) -> asyncio.Transport:
        """What it writes to."""
        assert self._transport is not None
        return self._transport

    @property
    def silent(self) -> bool:
        """Whether nothing was said that has not been asked for."""
        return self._replies.clean and not self._got

    async def envelope(self, envelope: Envelope) -> ProviderOutcome | None:
        """
        Say who the letter is from and goes to; return the refusal, None when it may follow.

        Raises `Lost`, also when the server has had enough of this connection: nothing was sent.
        """
        commands = [envelope.mail, envelope.rcpt, b"DATA\r\n"]
        if "PIPELINING" in self.extensions:
            return await self._at_once(commands)
        if self._open_transaction:
            await self.command(b"RSET")
            self._open_transaction = False
        for stage, line in zip(_ENVELOPE, commands, strict=True):
            self.write(line)
            reply = await self.reply()
            if not _fits(reply, stage):
                return self._refused(reply, stage)
            self._open_transaction = True
        return None

    async def letter(self, data: bytes) -> ProviderOutcome:
        """
        Send the letter, its lines with dots doubled; return what became of it.

        Once it is on its way and no reply comes, nobody knows whether it was taken.
        """
        self.letters += 1
        self._open_transaction = False
        self.write(data + _END)
        got = await self.replies(1)
        if not got:
            detail = "the connection ended before the letter was answered"
            return TryLater(ProviderReason.TIMED_OUT, known=False, detail=detail)
        reply = got[0]
        if 200 <= reply.code < 300:
            return Accepted(queue_name(reply.text))
        if reply.code < 400:
            self.abort()
            detail = f"letter: {reply.code} is no answer to a letter"
            return TryLater(ProviderReason.TIMED_OUT, known=False, detail=detail)
        return self._refused(reply, Stage.LETTER)

    async def _at_once(self, commands: Sequence[bytes]) -> ProviderOutcome | None:
        reset = [b"RSET\r\n"] if self._open_transaction else []
        self.write(b"".join((*reset, *commands)))
        got = (await self.replies(len(reset) + len(commands)))[len(reset) :]
        # A server that leaves answers what it has read with 421, and the rest not at all.
        refused = [(s, r) for s, r in zip(_ENVELOPE, got, strict=False) if not _fits(r, s)]
        if not refused:
            if len(got) < len(commands):
                raise Lost
            return None
        self._open_transaction = True
        stage, reply = refused[0]
        outcome = self._refused(reply, stage)
        if len(got) == len(commands) and got[-1].code == _GO_ON:
            # It waits for a letter that it has nobody for: an empty one ends that (RFC 2920, 3.1).
            self.write(_END)
            if (await self.reply()).code < 400:
                self.abort()
        return outcome

    def _refused(self, reply: Reply, stage: Stage) -> ProviderOutcome:
        if reply.code == _GOING:
            self.usable = False
            self.transport.close()
            if stage is Stage.MAIL and self.letters:
                raise Lost
        return meaning(reply, stage)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _fits(reply: Reply, stage: Stage) -> bool:
    return reply.code == _GO_ON if stage is Stage.DATA else 200 <= reply.code < 300


_NAME_CHARACTERS_MAX: Final = 64
_CALLS_IT: Final = ("queued as ", "id=", "ok ")


def queue_name(text: str) -> str | None:
    """
    Return what the server calls a letter that it took, if its answer says so.

    Only what can be no address and no words: it is kept in the ledger.
    """
    lower = text.lower()
    for before in _CALLS_IT:
        at = lower.find(before)
        if at >= 0:
            word = text[at + len(before) :].split(maxsplit=1)[:1]
            name = word[0].strip("<>().,;:\"'") if word else ""
            if _is_name(name):
                return name
    return None


def _is_name(name: str) -> bool:
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    has_digit = any(map(str.isdigit, plain))
    return (
        4 <= len(name) <= _NAME_CHARACTERS_MAX and plain.isascii() and plain.isalnum() and has_digit
    )
