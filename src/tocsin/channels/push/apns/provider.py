"""The caller: one POST for each message, and what Apple's answer means."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from tocsin.channels.options import read_options
from tocsin.channels.push.apns.payload import ApnsOptions, is_silent, payload_of
from tocsin.channels.push.apns.settings import DEVELOPMENT, PRODUCTION, ApnsSettings
from tocsin.channels.push.apns.token import ProviderToken
from tocsin.channels.push.parts.credentials import credential
from tocsin.channels.push.parts.jws import read_p256_key
from tocsin.channels.replies import load_replies, unanswered
from tocsin.config import Misconfigured
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.retry_after import retry_after_ms
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused
from tocsin.ports.provider import Flags, ProviderTools
from tocsin.ports.receipts import Callback, Reading
from tocsin.ports.self_check import Finding, found
from tocsin.ports.transport import Answer, Call, Trust

COLLAPSE_BYTES_MAX: Final = 64
NOBODY: Final = "0" * 64
"""A token that no device has: Apple says so, to whoever it lets in."""

_OK: Final = 200
_SHOWING: Final = "showing Apple who we are"


class _Said(msgspec.Struct, frozen=True):
    reason: str = ""
    timestamp: int = 0
    """When Apple learned that nobody is there, in ms."""


_answers: Final = msgspec.json.Decoder(_Said)


class Apns:
    """`tocsin.ports.provider.Provider`."""

    flags = Flags()

    def __init__(self, settings: ApnsSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._critical_alerts = settings.critical_alerts
        self._token = _token(settings, tools)
        _check_certificate(settings, tools.name)
        self._trust = Trust(
            settings.ca_file, settings.certificate_file, settings.certificate_key_file
        )
        place = PRODUCTION if settings.environment == "production" else DEVELOPMENT
        self._url = (settings.url or place) + "/3/device/"
        self._topics = {topic: f"apns-topic: {topic}" for topic in settings.topics}
        self._topic = self._topics[settings.topics[0]]
        self._replies = load_replies(__package__ or "")

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Make the call of the one message."""
        (message,) = messages
        id = id_of(message.reference)
        call = self._call(message, id)
        if isinstance(call, Refused):
            return [call]
        said = await self._transport.call(call)
        if not isinstance(said, Answer):
            return [unanswered(said)]
        if said.status == _OK:
            return [Accepted(id)]
        return [self._refused(said, message.registered_ms)]

    async def read_callback(self, callback: Callback) -> Reading:
        """Refuse: Apple answers each call once."""
        raise Unauthenticated("Apple has no callbacks")

    async def check(self) -> Sequence[Finding]:
        """
        See whether Apple lets us in for each app (`tocsin.ports.self_check.SelfCheck`).

        Nothing but sending shows it. So it is sent to nobody: Apple looks first at who asks, and
        for which app, and only then for the device.
        """
        return [await self._shown(topic) for topic in self._topics]

    async def close(self) -> None:
        """The client is not its own."""

    async def _shown(self, topic: str) -> Finding:
        headers = [self._topics[topic], _BACKGROUND, "apns-priority: 5", "apns-expiration: 0"]
        if self._token is not None:
            headers.append(self._token.header())
        call = Call(self._url + NOBODY, _WAKE, headers, trust=self._trust)
        said = await self._transport.call(call)
        if not isinstance(said, Answer):
            return found(unanswered(said), _SHOWING)
        let_in = said.status == _OK or _read(said.body).reason == "BadDeviceToken"
        outcome = Accepted() if let_in else self._refused(said, None)
        return found(outcome, f"{_SHOWING}, for {topic},")

    def _call(self, message: Message, id: str) -> Call | Refused:
        options = read_options(message.options, ApnsOptions)
        if isinstance(options, Refused):
            return options
        payload = payload_of(message, options, critical_alerts=self._critical_alerts)
        if payload is None:
            return Refused(ProviderReason.TOO_LARGE, "options")
        silent = is_silent(message, options)
        headers = [
            self._topic if message.app is None else self._topics.get(message.app, self._topic),
            _BACKGROUND if silent else _ALERT,
            _PRIORITIES[_priority(message, options, silent=silent)],
            f"apns-id: {id}",
        ]
        if self._token is not None:
            headers.append(self._token.header())
        if message.expires_ms is not None:
            headers.append(f"apns-expiration: {message.expires_ms // 1_000}")
        collapse_key = message.content.fields.get("collapse_key")
        if collapse_key is not None:
            headers.append(f"apns-collapse-id: {_collapse_id(collapse_key)}")
        return Call(self._url + message.address, payload, headers, trust=self._trust)

    def _refused(self, answer: Answer, registered_ms: int | None) -> ProviderOutcome:
        status = answer.status
        said = _read(answer.body)
        known = said.reason in self._replies.codes
        detail = said.reason if known else str(status)
        if status == 410 and 0 < said.timestamp < (registered_ms or 0):
            # The app has registered since, so what Apple knows is about the time before.
            return Refused(ProviderReason.BAD_ADDRESS, f"{detail}, before it was registered")
        after_ms = retry_after_ms(answer.header(b"retry-after"), self._wall_ms())
        code = said.reason if known else None
        return self._replies.of(status, code).outcome(detail, after_ms=after_ms)


_ALERT: Final = "apns-push-type: alert"
_BACKGROUND: Final = "apns-push-type: background"
_PRIORITIES: Final = {each: f"apns-priority: {each}" for each in (1, 5, 10)}
_WAKE: Final = b'{"aps":{"content-available":1}}'


def build(settings: ApnsSettings, tools: ProviderTools) -> Apns:
    """Return the provider."""
    return Apns(settings, tools)


def id_of(reference: str) -> str:
    """Return the message's id at Apple, a UUID that is the same for every attempt."""
    digest = hashlib.sha256(reference.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def _token(settings: ApnsSettings, tools: ProviderTools) -> ProviderToken | None:
    """Return the key's token; None with a certificate. Raises `Misconfigured` for half of one."""
    said = f"providers.{tools.name}"
    key_id, team_id = settings.key_id, settings.team_id
    secret = credential(f"{said}.private_key", settings.private_key, settings.private_key_file)
    if secret is None or key_id is None or team_id is None:
        some = secret is not None or key_id is not None or team_id is not None
        if some or settings.certificate_file is None:
            raise Misconfigured(
                [f"{said} needs team_id, key_id and private_key, or certificate_file instead"]
            )
        return None
    try:
        key = read_p256_key(secret.text)
    except ValueError:
        raise Misconfigured([f"{secret.said} is no key on the curve P-256"]) from None
    return ProviderToken(key, key_id, team_id, tools.wall_ms)


def _check_certificate(settings: ApnsSettings, name: str) -> None:
    """Raise `Misconfigured` for a certificate that no connection could show."""
    file, key_file = settings.certificate_file, settings.certificate_key_file
    if file is None:
        return
    said = f"providers.{name}.certificate_file"
    try:
        # No password, or OpenSSL asks for one at the terminal and waits.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(file, key_file, password="")
    except ssl.SSLError:
        problem = f"{said} holds no certificate in PEM, or its key is not there or another one"
        raise Misconfigured([problem]) from None
    except OSError as error:
        where = said if key_file is None else f"{said} or certificate_key_file"
        raise Misconfigured([f"{where} cannot be read: {error.strerror}"]) from None


def _priority(message: Message, options: ApnsOptions, *, silent: bool) -> int:
    if silent:
        # Apple refuses any higher one for what only wakes the app.
        return min(options.priority or 5, 5)
    return options.priority or (5 if message.lane == "bulk" else 10)


def _read(body: bytes) -> _Said:
    try:
        return _answers.decode(body)
    except UNREADABLE:
        return _Said()


@lru_cache(maxsize=1_024)
def _collapse_id(collapse_key: str) -> str:
    plain = collapse_key.isascii() and collapse_key.isprintable() and collapse_key.strip()
    if plain == collapse_key and len(collapse_key) <= COLLAPSE_BYTES_MAX:
        return collapse_key
    digest = hashlib.sha256(collapse_key.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
