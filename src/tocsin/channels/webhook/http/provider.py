"""The caller: one signed POST for each message, and what its answer means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from tocsin.channels.relay import reached, unseen
from tocsin.channels.replies import load_replies, unanswered
from tocsin.channels.webhook.http.body import body_of
from tocsin.channels.webhook.http.settings import WebhookSettings
from tocsin.config import Misconfigured
from tocsin.domain.retry_after import retry_after_ms
from tocsin.domain.webhook_signing import check_secrets, signatures
from tocsin.errors import RequestRefused, Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import ProviderOutcome, ProviderReason, Refused
from tocsin.ports.provider import Flags, ProviderTools
from tocsin.ports.receipts import Callback, Reading
from tocsin.ports.self_check import Finding, Weight
from tocsin.ports.transport import Answer, Call, NoAnswer, NoAnswerReason

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}(?:-[0-9a-f]{1,64}){3}\Z", re.ASCII)

_REPLIES: Final = load_replies(__package__)
_LATER: Final = "503 later"
_UNSIGNED: Final = Finding(
    Weight.ADVICE,
    "messages to addresses without a secret of their own are not signed",
    "set `secret`, so that receivers can tell whose they are",
)
_NOT_TAKEN: Final = {
    NoAnswerReason.FORBIDDEN: "not_public",
    NoAnswerReason.BAD_URL: "bad_url",
}


class Webhooks:
    """`tocsin.ports.provider.Provider`."""

    flags = Flags(per_host=True)

    def __init__(self, settings: WebhookSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._secret = _secret_of(settings, tools.name)
        self._relay_url = settings.relay_url

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Make the call of the one message."""
        (message,) = messages
        said = await self._transport.call(self._call(message))
        if isinstance(said, Answer):
            return [_judged(said, self._wall_ms())]
        return [_unanswered(said)]

    async def read_callback(self, callback: Callback) -> Reading:
        """Refuse: what a receiver thinks of a message is in its answer."""
        raise Unauthenticated("webhooks have no callbacks")

    async def check(self) -> Sequence[Finding]:
        """Look at the relay, if there is one (`tocsin.ports.self_check.SelfCheck`)."""
        if self._relay_url is None:
            seen = unseen("whether receivers take messages", self.name, "URL")
        else:
            seen = await reached(self._transport, self._relay_url)
        return [seen] if self._secret is not None else [seen, _UNSIGNED]

    async def close(self) -> None:
        """The client is not its own."""

    def _call(self, message: Message) -> Call:
        body = body_of(message)
        timestamp_s = self._wall_ms() // 1_000
        headers = [
            "content-type: application/json",
            f"webhook-id: {message.reference}",
            f"webhook-timestamp: {timestamp_s}",
        ]
        secrets = message.secret or self._secret
        if secrets is not None:
            signed = signatures(secrets, message.reference, timestamp_s, body)
            headers.append(f"webhook-signature: {signed}")
        if message.trace is not None and _TRACEPARENT.match(message.trace) is not None:
            headers.append(f"traceparent: {message.trace}")
        if self._relay_url is None:
            return Call(message.address, body, headers)
        headers.append(f"webhook-destination: {message.address}")
        return Call(self._relay_url, body, headers)


def build(settings: WebhookSettings, tools: ProviderTools) -> Webhooks:
    """Return the provider."""
    return Webhooks(settings, tools)


def _secret_of(settings: WebhookSettings, name: str) -> str | None:
    if settings.secret is None:
        return None
    try:
        return check_secrets(settings.secret.reveal())
    except RequestRefused as refused:
        raise Misconfigured([f"providers.{name}.secret {refused.detail}"]) from None


def _judged(answer: Answer, now_ms: int) -> ProviderOutcome:
    """
    Read a status by the table: 2xx is taken, and what points elsewhere or blames us is refused.

    Of the 5xx only a 503 that says when to come back promises that nothing was done (RFC 9110,
    15.6.4); after any other the message may have been taken.
    """
    status = answer.status
    after_ms = retry_after_ms(answer.header(b"retry-after"), now_ms)
    code = _LATER if status == HTTPStatus.SERVICE_UNAVAILABLE and after_ms is not None else None
    return _REPLIES.of(status, code).outcome(str(status), after_ms=after_ms)


def _unanswered(said: NoAnswer) -> ProviderOutcome:
    refused = _NOT_TAKEN.get(said.reason)
    if refused is not None and not said.sent:
        return Refused(ProviderReason.BAD_ADDRESS, refused)
    return unanswered(said)
