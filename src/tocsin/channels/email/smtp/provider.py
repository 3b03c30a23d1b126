"""Letters over SMTP: one message, one transaction, over connections that are kept."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

from tocsin.channels.email.smtp.bounces import Tokens, read_report, return_path
from tocsin.channels.email.smtp.connection import Connection, Envelope, Lost
from tocsin.channels.email.smtp.opening import NotOpened, Opener
from tocsin.channels.email.smtp.pool import Pool
from tocsin.channels.email.smtp.settings import SmtpSettings
from tocsin.channels.email.writing.batches import unwritten
from tocsin.channels.email.writing.dkim import BadKey, DkimKey, read_key
from tocsin.channels.email.writing.letter import BadLetter, Letter, Writer
from tocsin.config import Misconfigured
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused, TryLater
from tocsin.ports.provider import Flags, ProviderTools
from tocsin.ports.receipts import Callback, Reading
from tocsin.ports.self_check import Finding, found


class Smtp:
    """`tocsin.ports.provider.Provider`."""

    def __init__(
        self,
        settings: SmtpSettings,
        name: str,
        wall_ms: Callable[[], int],
        opener: Opener,
        keys: Sequence[DkimKey] = (),
    ) -> None:
        self.name = name
        self._opener = opener
        self._wall_ms = wall_ms
        key = settings.bounce_key
        self._tokens = None if key is None else Tokens(key)
        self.flags = Flags(receipts=self._tokens is not None)
        self._writer = Writer(settings.sender(), keys, self._token)
        self._bounces = settings.bounce_address or settings.from_address
        self._before_s = settings.call_timeout_ms / 2_000
        self._pool = Pool(
            opener.open,
            size=settings.connections_max,
            idle_s=settings.idle_ms / 1_000,
            letters_max=settings.letters_per_connection_max,
        )

    def __repr__(self) -> str:
        return f"Smtp({self.name})"

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """See the port; messages come one by one."""
        return [await self._send(message) for message in messages]

    async def read_callback(self, callback: Callback) -> Reading:
        """Read a mail that came to the address for bounces, as it came."""
        if self._tokens is None:
            raise Unauthenticated("no bounce_key is set with which a report could be believed")
        return Reading(read_report(callback.body, self._tokens, callback.received_ms))

    async def check(self) -> Sequence[Finding]:
        """Connect and log in (`tocsin.ports.self_check.SelfCheck`)."""
        doing = "connecting and logging in"
        try:
            connection = await self._opener.open()
        except NotOpened as failed:
            return [found(failed.outcome, doing)]
        except TimeoutError:
            late = TryLater(ProviderReason.UNREACHABLE, detail="no connection in time")
            return [found(late, doing)]
        connection.quit()
        return [found(Accepted(), doing)]

    async def close(self) -> None:
        """Say goodbye to the server."""
        self._pool.close()
        await self._opener.close()

    async def _send(self, message: Message) -> ProviderOutcome:
        try:
            letter = self._writer.write(message, self._wall_ms())
        except BadLetter as bad:
            return unwritten(bad)
        try:
            async with asyncio.timeout(self._before_s) as limit:
                try:
                    return await self._over(letter, message.reference, limit)
                except Lost:
                    # Servers close idle connections without a word, which shows when one is used.
                    # Nothing was sent, so a connection that nobody used before may have it.
                    return await self._over(letter, message.reference, limit, fresh=True)
        except NotOpened as failed:
            return failed.outcome
        except Lost:
            return TryLater(ProviderReason.UNREACHABLE, detail="the connection ended at once")
        except TimeoutError:
            return TryLater(ProviderReason.UNREACHABLE, detail="no connection in time")

    async def _over(
        self, letter: Letter, reference: str, limit: asyncio.Timeout, *, fresh: bool = False
    ) -> ProviderOutcome:
        async with self._pool.connection(fresh=fresh) as to:
            refused = self._cannot(to, letter)
            if refused is None:
                refused = await to.envelope(self._envelope(to, letter, reference))
            if refused is not None:
                return refused
            # From here on a broken connection says nothing about the letter.
            limit.reschedule(None)
            return await to.letter(stuffed(letter.data))

    def _token(self, reference: str) -> str:
        return reference if self._tokens is None else self._tokens.of(reference)

    def _cannot(self, to: Connection, letter: Letter) -> ProviderOutcome | None:
        size = to.extensions.get("SIZE", "")
        if size.isdecimal() and 0 < int(size[:18]) < len(letter.data):
            return Refused(ProviderReason.TOO_LARGE, f"the server takes {int(size[:18])} bytes")
        if letter.to.utf8 and "SMTPUTF8" not in to.extensions:
            return Refused(ProviderReason.BAD_ADDRESS, "the server takes no such address")
        return None

    def _envelope(self, to: Connection, letter: Letter, reference: str) -> Envelope:
        offered, token = to.extensions, self._token(reference)
        path = self._bounces if self._tokens is None else return_path(self._bounces, token)
        mail = f"MAIL FROM:<{path}>"
        rcpt = f"RCPT TO:<{letter.to.text}>"
        if "SIZE" in offered:
            mail += f" SIZE={len(letter.data)}"
        if letter.to.utf8:
            # RFC 6531, 3.4: headers hold the address, so they are not ASCII either.
            mail += " BODY=8BITMIME SMTPUTF8" if "8BITMIME" in offered else " SMTPUTF8"
        if "DSN" in offered:
            # A report is to name the delivery, and to bring no letter back (RFC 3461).
            mail += f" RET=HDRS ENVID={token}"
            rcpt += " NOTIFY=FAILURE"
        return Envelope(f"{mail}\r\n".encode(), f"{rcpt}\r\n".encode())


def stuffed(data: bytes) -> bytes:
    """Return *data* with the dots at the beginnings of its lines doubled (RFC 5321, 4.5.2)."""
    return data.replace(b"\r\n.", b"\r\n..")


def build(settings: SmtpSettings, tools: ProviderTools) -> Smtp:
    """Return the provider; raises `Misconfigured` for what cannot work."""
    place = f"providers.{tools.name}"
    problems = []
    if (settings.username is None) != (settings.password is None):
        problems.append(f"{place}.username and {place}.password belong together")
    if settings.security == "none" and settings.password is not None and not _here(settings.host):
        problems.append(f"{place}.security = 'none' would show the password to the network")
    if problems:
        raise Misconfigured(problems)
    name = settings.client_name or settings.from_address.rpartition("@")[2]
    opener = Opener(settings, name, tls_of(settings, place))
    return Smtp(settings, tools.name, tools.wall_ms, opener, dkim_keys(settings, place))


def dkim_keys(settings: SmtpSettings, place: str) -> Sequence[DkimKey]:
    """Return what letters are signed with; raises `Misconfigured`."""
    files, selectors = settings.dkim_key_files, settings.dkim_selectors
    if len(files) != len(selectors):
        raise Misconfigured([f"{place}.dkim_selectors and {place}.dkim_key_files belong together"])
    domain = settings.dkim_domain or settings.sender().domain
    try:
        return [
            read_key(Path(file).read_bytes(), domain, selector)
            for file, selector in zip(files, selectors, strict=True)
        ]
    except OSError as error:
        problem = f"{place}.dkim_key_files: {error.filename} cannot be read"
        raise Misconfigured([problem]) from None
    except BadKey as bad:
        raise Misconfigured([f"{place}.dkim_key_files: {bad}"]) from None


def tls_of(settings: SmtpSettings, place: str) -> ssl.SSLContext | None:
    """Return what connections are secured with; raises `Misconfigured`."""
    if settings.security == "none":
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ValueError):
        raise Misconfigured([f"{place}.ca_file: {settings.ca_file} cannot be used"]) from None


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
