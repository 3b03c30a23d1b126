"""The caller: one encrypted POST for each message, to the push service of the browser."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import msgspec

from tocsin.channels.options import read_options
from tocsin.channels.push.parts.credentials import needed
from tocsin.channels.push.parts.jws import read_base64url, read_p256_key
from tocsin.channels.push.webpush.encryption import encrypt
from tocsin.channels.push.webpush.identity import Identity
from tocsin.channels.push.webpush.payload import URGENCIES, WebPushOptions, payload_of
from tocsin.channels.push.webpush.settings import WebPushSettings
from tocsin.channels.relay import reached, unseen
from tocsin.channels.replies import load_replies, unanswered_address
from tocsin.config import Misconfigured
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.retry_after import retry_after_ms
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import ProviderOutcome, ProviderReason, Refused
from tocsin.ports.provider import Flags, ProviderTools
from tocsin.ports.receipts import Callback, Reading
from tocsin.ports.self_check import Finding, Weight
from tocsin.ports.transport import Answer, Call, Trust

_ID_CHARACTERS_MAX: Final = 128
_SERVICES: Final = frozenset(
    (
        "https://fcm.googleapis.com",
        "https://updates.push.services.mozilla.com",
        "https://web.push.apple.com",
    )
)
"""Those of most browsers. What else a subscription names may be anybody's host."""
_SCHEME_CHARACTERS: Final = len("https://")
_MISMATCHES: Final = (b"do not correspond to the credentials", b"public key mismatch")
"""How Google's and Mozilla's services say that the browser subscribed with another key."""


class _Keys(msgspec.Struct, frozen=True):
    p256dh: str
    auth: str


class _Subscription(msgspec.Struct, frozen=True):
    endpoint: str
    keys: _Keys


class _Said(msgspec.Struct, frozen=True):
    """What push services answer with: Mozilla's number, or Apple's word."""

    errno: int | None = None
    reason: str | None = None


_subscriptions: Final = msgspec.json.Decoder(_Subscription)
_answers: Final = msgspec.json.Decoder(_Said)


class WebPush:
    """`tocsin.ports.provider.Provider`."""

    flags = Flags(per_host=False)

    def __init__(self, settings: WebPushSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._settings = settings
        self._trust = Trust(ca_file=settings.ca_file)
        self._replies = load_replies(__package__ or "")
        setting = f"providers.{tools.name}.private_key"
        given = needed(setting, settings.private_key, settings.private_key_file)
        try:
            key = read_p256_key(given.text)
        except ValueError:
            raise Misconfigured([f"{given.said} is no key on the curve P-256"]) from None
        self._identity = Identity(key, settings.subject, tools.wall_ms)

    @property
    def public_key(self) -> str:
        """What browsers subscribe with."""
        return self._identity.public_key

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Make the call of the one message."""
        (message,) = messages
        call = self._call(message)
        if isinstance(call, Refused):
            return [call]
        said = await self._transport.call(call)
        if isinstance(said, Answer):
            return [self._judged(said)]
        return [unanswered_address(said)]

    async def read_callback(self, callback: Callback) -> Reading:
        """Refuse: what was shown is said by the browser, to Tocsin's own API."""
        raise Unauthenticated("push services have no callbacks")

    async def check(self) -> Sequence[Finding]:
        """
        Look at the relay, if there is one (`tocsin.ports.self_check.SelfCheck`).

        Which push service there is, and whether it takes our key, each browser's subscription
        decides.
        """
        key = Finding(Weight.FINE, "the key is one that browsers can subscribe with")
        if self._settings.relay_url is not None:
            return [key, await reached(self._transport, self._settings.relay_url, self._trust)]
        return [key, unseen("whether push services take the key", self.name, "SUBSCRIPTION")]

    async def close(self) -> None:
        """The client is not its own."""

    def _call(self, message: Message) -> Call | Refused:
        options = read_options(message.options, WebPushOptions)
        if isinstance(options, Refused):
            return options
        payload = payload_of(message, options, self._settings.payload_bytes_max)
        if payload is None:
            return Refused(ProviderReason.TOO_LARGE, "options")
        try:
            to = _subscriptions.decode(message.address)
            public, auth = read_base64url(to.keys.p256dh), read_base64url(to.keys.auth)
            body = encrypt(payload, public, auth)
        except (msgspec.DecodeError, ValueError):
            return Refused(ProviderReason.BAD_ADDRESS, "subscription")
        place = _place(to.endpoint)
        headers = [
            "content-type: application/octet-stream",
            "content-encoding: aes128gcm",
            f"ttl: {self._ttl_s(message)}",
            f"urgency: {options.urgency or URGENCIES[message.lane]}",
            self._identity.header(_origin_of(place)),
        ]
        topic = message.content.fields.get("collapse_key")
        if topic is not None:
            headers.append(f"topic: {_topic(topic)}")
        relay_url = self._settings.relay_url
        if relay_url is not None:
            headers.append(f"push-endpoint: {to.endpoint}")
            return Call(relay_url, body, headers, trust=self._trust)
        strange = place not in _SERVICES
        return Call(to.endpoint, body, headers, trust=self._trust, strange=strange)

    def _ttl_s(self, message: Message) -> int:
        ttl_ms = self._settings.ttl_ms
        if message.expires_ms is not None:
            ttl_ms = min(ttl_ms, max(0, message.expires_ms - self._wall_ms()))
        return ttl_ms // 1_000

    def _judged(self, answer: Answer) -> ProviderOutcome:
        status = answer.status
        if 200 <= status < 300:
            return self._replies.of(status).outcome("", provider_id=_id_of(answer))
        code = _code(answer)
        after_ms = retry_after_ms(answer.header(b"retry-after"), self._wall_ms())
        detail = code if code in self._replies.codes else str(status)
        return self._replies.of(status, code).outcome(detail or "", after_ms=after_ms)


def build(settings: WebPushSettings, tools: ProviderTools) -> WebPush:
    """Return the provider."""
    return WebPush(settings, tools)


def _code(answer: Answer) -> str | None:
    """Return the vendor's code, by its name in the table of replies."""
    if any(text in answer.body for text in _MISMATCHES):
        return "other_key"
    try:
        said = _answers.decode(answer.body)
    except UNREADABLE:
        return None
    return said.reason if said.errno is None else f"errno_{said.errno}"


def _id_of(answer: Answer) -> str | None:
    """Return what the service calls the message: the end of its own URL (RFC 8030, 5)."""
    found = answer.header(b"apns-id") or answer.header(b"location")
    if found is None:
        return None
    return found.decode("ascii", "replace").rpartition("/")[2][:_ID_CHARACTERS_MAX] or None


def _place(endpoint: str) -> str:
    """Return what all endpoints of one push service begin with: all before the path."""
    end = endpoint.find("/", _SCHEME_CHARACTERS)
    return endpoint if end < 0 else endpoint[:end]


@lru_cache(maxsize=1_024)
def _origin_of(place: str) -> str:
    parts = urlsplit(place)
    default = ":443" if parts.scheme == "https" else ":80"
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(default)}"


@lru_cache(maxsize=1_024)
def _topic(collapse_key: str) -> str:
    """
    Return a topic of 24 characters, for at most 32 are allowed (RFC 8030, 5.4).

    Apple's service takes it for base64url of whole bytes, which this is.
    """
    digest = hashlib.sha256(collapse_key.encode()).digest()[:18]
    return base64.urlsafe_b64encode(digest).decode()
