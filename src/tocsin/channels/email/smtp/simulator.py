"""A mail server, played: SMTP on a port of this machine, and a mailbox that keeps what it took."""

from __future__ import annotations

import asyncio
import email
import email.policy
import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from functools import partial
from typing import Any, Final, NoReturn, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tocsin.channels.email.playing.simulating import reader
from tocsin.channels.email.smtp import reports_played as reports
from tocsin.channels.email.smtp.dkim_played import verdict
from tocsin.channels.simulating import Breakable, Deal, Simulating
from tocsin.channels.simulating_tls import Keeping
from tocsin.channels.simulating_tls import Proof as TlsProof
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Dial, Proof, Stage

USERNAME: Final = "sandbox"
PASSWORD: Final = "password-canary-c84e"
BOUNCE_KEY: Final = "bounce-key-canary-20b6"
THROTTLE_S: Final = 90
LETTER_BYTES_MAX: Final = 32 * 1_024 * 1_024

_ANSWERS: Final = {
    Dial.REFUSE: "554 5.6.0 the letter is not taken",
    Dial.DEAD_ADDRESS: "550 5.1.1 no such user here",
    Dial.THROTTLE: f"451 4.7.1 too many letters, try again in {THROTTLE_S} seconds",
    # A refusal of SMTP says that the letter was not taken. What says nothing is no reply at all.
    Dial.FAIL: "what? internal failure",
}
_CODES: Final = {
    "421": "421 4.3.2 going down",
    "451": "451 4.7.1 greylisted, try again in 300 seconds",
    "452": "452 4.2.2 the mailbox is full",
    "550": "550 5.1.1 no such user here",
    "552": "552 5.3.4 the letter is too large",
    "554": "554 5.6.0 the letter is not taken",
}
GREYLISTED_S: Final = 300
_SCRIPTED: Final = "r"
"""``r550-5.1.1@…`` is answered with ``550 5.1.1`` when it is named as the recipient."""


class SmtpSimulator(Simulating):
    """
    `tocsin.ports.simulator.Simulator`.

    Beside dials and faults, an address can ask for an answer: ``r451-4.7.1@``, or any other such
    reply, ``drop@`` and ``drop-after-dot@``, and ``greylist@`` for one that is taken only some
    minutes after it came first. Whoever wants to may go on in TLS.
    """

    provider = "smtp"
    channel = "email"
    proof = Proof.SENDER
    actions: Mapping[Action, ReceiptState] = {
        Action.BOUNCE: ReceiptState.FAILED,
        Action.COMPLAIN: ReceiptState.COMPLAINED,
    }
    codes: Mapping[str, Dial] = {
        "421": Dial.THROTTLE,
        "451": Dial.THROTTLE,
        "452": Dial.THROTTLE,
        "550": Dial.DEAD_ADDRESS,
        "552": Dial.REFUSE,
        "554": Dial.REFUSE,
    }

    def __init__(self) -> None:
        super().__init__()
        self.connections_max = 1_000
        """Whoever connects beyond that is told that there are too many of them."""
        self._let_in: set[Breakable] = set()
        self._first_seen: dict[str, int] = {}
        self.records: dict[str, str] = {}
        """What DNS says of keys for signatures, by name: a sandbox has no other."""
        self._keeping: Keeping | None = None

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        # It would log every address, and nobody asked for its log.
        logging.getLogger("mail.log").disabled = True
        proof, port = await self._listen_for_smtp(stage)
        return {
            "host": "127.0.0.1",
            "port": port,
            "security": "none",
            "ca_file": str(proof.authority),
            "username": USERNAME,
            "password": PASSWORD,
            "from_address": "tocsin@sandbox.test",
            "bounce_address": "bounces@sandbox.test",
            "bounce_key": BOUNCE_KEY,
        }

    async def _listen_for_smtp(self, stage: Stage | None) -> tuple[TlsProof, int]:
        if self._keeping is None:
            self._keeping = Keeping(None if stage is None else stage.log)
        try:
            proof = self._keeping.proof(self.provider)
            tls = proof.server_context()
            hooks = _Hooks(self._take, self._is_full)
            made = partial(_Speaker, hooks, self._connected, self._gone, tls)
            return proof, await self._open(stage, made)
        except BaseException:
            # Nobody closes what never listened.
            self._forget()
            raise

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            self._forget()

    def _forget(self) -> None:
        if self._keeping is not None:
            self._keeping.close()
            self._keeping = None

    def address(self, n: int) -> str:
        return reader(n)

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return the mail that tells it, about the first of *references*."""
        letter = self._letter(references[0])
        body = reports.report(letter, state)
        if not genuine:
            # One that somebody makes up: she knows neither the path nor the name of the letter.
            body = reports.report(None, state)
        return self._mail(body, at_ms)

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a report about the newest letter that says anything."""
        (newest,) = self.messages(limit=1)
        return self._mail(reports.garbled(newest.raw, body), at_ms)

    def _letter(self, reference: str) -> bytes | None:
        found = self.messages(to=reference, limit=1)
        return found[0].raw if found else None

    def _mail(self, body: bytes, at_ms: int) -> Callback:
        headers = {"content-type": "message/rfc822"}
        return Callback("POST", f"/v1/callbacks/{self.provider}", "", headers, body, at_ms)

    def _is_full(self, server: SMTP) -> bool:
        socket = server.socket if isinstance(server, _Speaker) else None
        self._let_in &= self._connections
        if socket is not None and len(self._let_in - {socket}) < self.connections_max:
            self._let_in.add(socket)
            return False
        return True

    def _greylisted(self, to: str) -> bool:
        now_ms = self._stage.now_ms()
        return now_ms - self._first_seen.setdefault(to, now_ms) < GREYLISTED_S * 1_000

    async def _take(self, server: SMTP, letter: _Letter) -> str:
        await self._arrived([letter.reference])
        deal = self._deal(letter.to)
        if letter.to.startswith("greylist@") and self._greylisted(letter.to):
            deal = Deal(Dial.THROTTLE, "451")
        if letter.to.startswith("drop-after-dot@"):
            deal = Deal(Dial.TAKE_AND_DROP)
        answer = _CODES[deal.code] if deal.code is not None else _ANSWERS.get(deal.dial, "250")
        signed = verdict(letter.raw, self.records)
        id = await self._keep(
            reference=letter.reference,
            to=letter.to,
            content={**letter.content, **({} if signed is None else {"dkim": signed})},
            raw=letter.raw,
            answer="" if deal.lost else answer,
            taken=deal.dial in {Dial.ACCEPT, Dial.STALL, Dial.TAKE_AND_DROP},
            trace=letter.trace,
        )
        await self._wait(deal)
        if deal.lost:
            await _hang_up(server)
        return f"250 2.0.0 Ok: queued as {id}" if answer == "250" else answer


class _Hooks:
    """
    What the speaking side asks, under the names that its library looks for.

    No part of the simulator: for each connection the library looks at all that its hooks have,
    and would read the whole mailbox with it.
    """

    def __init__(
        self, take: Callable[[SMTP, _Letter], Awaitable[str]], is_full: Callable[[SMTP], bool]
    ) -> None:
        self._take = take
        self._is_full = is_full

    async def handle_EHLO(  # noqa: N802  # the library's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, lines: list[str]
    ) -> list[str]:
        if self._is_full(server):
            return ["421 4.7.0 too many connections from you"]
        session.host_name = hostname
        return [*lines[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", lines[-1]]

    async def handle_MAIL(  # noqa: N802  # as above
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not session.authenticated:
            return "530 5.7.0 log in first"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802  # as above
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        local = address.partition("@")[0]
        code, _, status = local.removeprefix(_SCRIPTED).partition("-")
        if local.startswith(_SCRIPTED) and len(code) == 3 and code.isdecimal():
            return f"{code} {status} as asked".replace("  ", " ")
        if local == "drop":
            await _hang_up(server)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802  # as above
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        return await self._take(server, _Letter.read(envelope))


class _Speaker(SMTP):
    """One connection."""

    def __init__(
        self,
        hooks: _Hooks,
        connected: Callable[[Breakable], None],
        gone: Callable[[Breakable], None],
        tls: ssl.SSLContext,
    ) -> None:
        super().__init__(
            hooks,
            hostname="sandbox.test",
            ident="Tocsin's sandbox",
            data_size_limit=LETTER_BYTES_MAX,
            enable_SMTPUTF8=True,
            auth_require_tls=False,
            tls_context=tls,
            authenticator=_authenticate,
            loop=asyncio.get_running_loop(),
        )
        self._connected = connected
        self._gone = gone
        self.socket: Breakable | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Once more when it goes on in TLS; what is below that is what can be broken off.
        if self.socket is None:
            self.socket = cast(Breakable, transport)
            self._connected(self.socket)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.socket is not None:
            self._gone(self.socket)
        super().connection_lost(error)


def _authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
) -> AuthResult:
    wanted = LoginPassword(USERNAME.encode(), PASSWORD.encode())
    # Not handled: the library then says that the credentials are wrong, as servers do.
    return AuthResult(success=given == wanted, handled=False)


async def _hang_up(server: SMTP) -> NoReturn:
    """End the connection and never answer: that it is lost cancels whoever waits here."""
    assert isinstance(server, _Speaker)
    if server.socket is not None:
        server.socket.abort()
    await asyncio.Event().wait()
    raise AssertionError("nothing sets it")


@dataclass(frozen=True, slots=True)
class _Letter:
    """What arrived, read as a mail program would."""

    reference: str
    to: str
    trace: str | None
    content: Mapping[str, str]
    raw: bytes

    @classmethod
    def read(cls, envelope: Envelope) -> _Letter:
        raw = envelope.original_content or b""
        letter = email.message_from_bytes(raw, policy=email.policy.default)
        return cls(
            reference=re.split("[.@]", str(letter["Message-ID"] or "").strip("<>"))[0],
            to=envelope.rcpt_tos[0],
            trace=str(letter["Traceparent"]) if "Traceparent" in letter else None,
            content=_content(letter),
            raw=raw,
        )


def _content(letter: EmailMessage) -> dict[str, str]:
    content = {"subject": str(letter["Subject"] or "")}
    for name, kind in (("text", "plain"), ("html", "html")):
        part = letter.get_body((kind,))
        if part is not None:
            content[name] = str(part.get_content())
    return content
