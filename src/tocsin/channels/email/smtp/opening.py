"""From a name and a port to a connection that takes letters: TLS, EHLO, log in."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tocsin.channels.email.smtp.connection import Connection, Lost
from tocsin.channels.email.smtp.meaning import Stage, meaning
from tocsin.channels.email.smtp.replies import Reply
from tocsin.channels.email.smtp.settings import SmtpSettings
from tocsin.ports.outcomes import ProviderOutcome, ProviderReason, TryLater

_PARTING_S: Final = 1.0
_READY: Final = 220
_FULL: Final = 421
_WELCOME: Final = 235
_TELL_MORE: Final = 334


class NotOpened(Exception):
    """No connection that takes letters; ``outcome`` is what that means for one."""

    def __init__(self, outcome: ProviderOutcome) -> None:
        super().__init__("no connection to the server")
        self.outcome = outcome


class Full(NotOpened):
    """The server takes no more connections from us now."""


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens connections as the settings say."""

    settings: SmtpSettings
    client_name: str
    tls: ssl.SSLContext | None
    alive: set[Connection] = field(default_factory=set)
    """Every connection whose socket is open."""

    async def open(self) -> Connection:
        """Return a connection that takes letters; raises `NotOpened`."""
        settings = self.settings
        made: list[Connection] = []

        def protocol() -> Connection:
            made.append(Connection(self.alive))
            return made[-1]

        try:
            async with asyncio.timeout(settings.connect_timeout_ms / 1_000):
                connection = await self._connect(protocol)
                await self._greet(connection)
        except BaseException as error:
            for connection in made:
                connection.abort()
            if isinstance(error, Lost | OSError | UnicodeError):
                # An error of TLS is one of these, too.
                raise NotOpened(_unreachable(type(error).__name__)) from error
            raise
        return connection

    async def close(self) -> None:
        """Return when every connection is gone; those that do not go soon are broken off."""
        for wait_s in (_PARTING_S, _PARTING_S):
            if self.alive:
                await asyncio.wait([each.gone for each in self.alive], timeout=wait_s)
            for connection in tuple(self.alive):
                connection.abort()

    async def _connect(self, protocol: Callable[[], Connection]) -> Connection:
        settings = self.settings
        implicit = settings.security == "tls"
        _, connection = await asyncio.get_running_loop().create_connection(
            protocol,
            settings.host,
            settings.port,
            ssl=self.tls if implicit else None,
            server_hostname=settings.host if implicit else None,
        )
        return connection

    async def _greet(self, connection: Connection) -> None:
        _expect(await connection.reply(), _READY, Stage.GREETING)
        await self._hello(connection)
        if self.settings.security == "starttls":
            await self._start_tls(connection)
            await self._hello(connection)
        if self.settings.username is not None:
            await self._log_in(connection)

    async def _hello(self, connection: Connection) -> None:
        reply = await connection.command(b"EHLO " + self.client_name.encode())
        _expect(reply, 250, Stage.EHLO)
        extensions: dict[str, str] = {}
        for line in reply.text.split("\n")[1:]:
            name, _, rest = line.strip().partition(" ")
            extensions[name.upper()] = rest
        connection.extensions = extensions

    async def _start_tls(self, connection: Connection) -> None:
        if "STARTTLS" not in connection.extensions:
            # Somebody between us could have taken the word out, so there is no going on without.
            raise NotOpened(_ours("starttls: not offered"))
        _expect(await connection.command(b"STARTTLS"), _READY, Stage.STARTTLS)
        if not connection.silent:
            # What came in plain behind the answer would be taken for an answer under TLS.
            raise Lost
        assert self.tls is not None
        upgraded = await asyncio.get_running_loop().start_tls(
            connection.transport, connection, self.tls, server_hostname=self.settings.host
        )
        if upgraded is None:
            raise Lost
        connection.upgraded(upgraded)

    async def _log_in(self, connection: Connection) -> None:
        offered = connection.extensions.get("AUTH", "").upper().split()
        name = (self.settings.username or "").encode()
        password = self.settings.password
        secret = b"" if password is None else password.reveal().encode()
        if "PLAIN" in offered:
            both = base64.b64encode(b"\0" + name + b"\0" + secret)
            reply = await connection.command(b"AUTH PLAIN " + both)
        elif "LOGIN" in offered:
            reply = await connection.command(b"AUTH LOGIN")
            for answer in (name, secret):
                if reply.code == _TELL_MORE:
                    reply = await connection.command(base64.b64encode(answer))
        else:
            raise NotOpened(_ours("auth: neither PLAIN nor LOGIN is offered"))
        _expect(reply, _WELCOME, Stage.AUTH)


def _expect(reply: Reply, code: int, stage: Stage) -> None:
    if reply.code == code:
        return
    if reply.code < 400:
        raise Lost
    raise (Full if reply.code == _FULL else NotOpened)(meaning(reply, stage))


def _unreachable(detail: str) -> ProviderOutcome:
    return TryLater(ProviderReason.UNREACHABLE, detail=detail)


def _ours(detail: str) -> ProviderOutcome:
    return TryLater(ProviderReason.OUR_FAULT, detail=detail)
