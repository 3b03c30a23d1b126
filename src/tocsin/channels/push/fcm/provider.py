"""The caller: one POST for each message, and what Google's answer means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from tocsin.channels.options import read_options
from tocsin.channels.push.fcm.meaning import code_of
from tocsin.channels.push.fcm.options import FcmOptions
from tocsin.channels.push.fcm.payload import body_of
from tocsin.channels.push.fcm.settings import FcmSettings
from tocsin.channels.push.fcm.token import AccessToken, ServiceAccount
from tocsin.channels.push.parts.credentials import needed
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

_ID_CHARACTERS_MAX: Final = 128


class _Taken(msgspec.Struct, frozen=True):
    name: str = ""


_taken: Final = msgspec.json.Decoder(_Taken)


class Fcm:
    """`tocsin.ports.provider.Provider`."""

    flags = Flags()

    def __init__(self, settings: FcmSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._settings = settings
        self._trust = Trust(ca_file=settings.ca_file)
        self._replies = load_replies(__package__ or "")
        account, said = _account(settings, tools.name)
        try:
            self._token = AccessToken(account, tools, self._trust)
        except ValueError:
            raise Misconfigured([f"{said} holds no key of RSA"]) from None
        project = settings.project_id or account.project_id
        self._url = f"{settings.url}/v1/projects/{project}/messages:send"

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Make the call of the one message."""
        (message,) = messages
        body = self._body(message)
        if isinstance(body, Refused):
            return [body]
        header = await self._token.header()
        if not isinstance(header, str):
            return [header]
        headers = [_JSON, header]
        said = await self._transport.call(Call(self._url, body, headers, trust=self._trust))
        if not isinstance(said, Answer):
            return [unanswered(said)]
        return [self._judged(said, header)]

    async def read_callback(self, callback: Callback) -> Reading:
        """Refuse: what was shown is said by the app, to Tocsin's own API."""
        raise Unauthenticated("Firebase has no callbacks")

    async def check(self) -> Sequence[Finding]:
        """See whether Google takes the account's key (`tocsin.ports.self_check.SelfCheck`)."""
        header = await self._token.header()
        outcome = Accepted() if isinstance(header, str) else header
        return [found(outcome, "fetching an access token")]

    async def close(self) -> None:
        """The client is not its own."""

    def _body(self, message: Message) -> bytes | Refused:
        options = read_options(message.options, FcmOptions)
        if isinstance(options, Refused):
            return options
        settings = self._settings
        body = body_of(
            message,
            options,
            target=settings.target,
            platforms=settings.platforms,
            ttl_s=self._ttl_s(message),
        )
        return Refused(ProviderReason.TOO_LARGE, "options") if body is None else body

    def _ttl_s(self, message: Message) -> int:
        ttl_ms = self._settings.ttl_ms
        if message.expires_ms is not None:
            ttl_ms = min(ttl_ms, max(0, message.expires_ms - self._wall_ms()))
        return ttl_ms // 1_000

    def _judged(self, answer: Answer, header: str) -> ProviderOutcome:
        status = answer.status
        if 200 <= status < 300:
            return Accepted(_id_of(answer.body))
        code = code_of(answer.body)
        if code == "UNAUTHENTICATED":
            self._token.forget(header)
        known = code in self._replies.codes
        after_ms = retry_after_ms(answer.header(b"retry-after"), self._wall_ms())
        detail = code if known and code is not None else str(status)
        return self._replies.of(status, code).outcome(detail, after_ms=after_ms)


_JSON: Final = "content-type: application/json"


def build(settings: FcmSettings, tools: ProviderTools) -> Fcm:
    """Return the provider."""
    return Fcm(settings, tools)


def _account(settings: FcmSettings, name: str) -> tuple[ServiceAccount, str]:
    """Return the account, and the setting that it comes from."""
    setting = f"providers.{name}.service_account"
    given = needed(setting, settings.service_account, settings.service_account_file)
    try:
        return msgspec.json.decode(given.text, type=ServiceAccount), given.said
    except (msgspec.DecodeError, RecursionError):
        problem = f"{given.said} is not the JSON of a service account's key"
        raise Misconfigured([problem]) from None


def _id_of(body: bytes) -> str | None:
    """Return the last part of the name; what comes before it is the project's."""
    try:
        name = _taken.decode(body).name
    except UNREADABLE:
        return None
    return name.rpartition("/")[2][:_ID_CHARACTERS_MAX] or None
