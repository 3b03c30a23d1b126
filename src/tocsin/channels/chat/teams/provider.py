"""The caller: one POST of a card to the workflow's URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from tocsin.channels.chat.teams.card import card
from tocsin.channels.chat.teams.links import link, read
from tocsin.channels.chat.teams.settings import TeamsSettings
from tocsin.channels.chat.writing.acknowledging import offers
from tocsin.channels.chat.writing.calling import headers_of, json_body
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
from tocsin.ports.self_check import Finding
from tocsin.ports.transport import Answer, Call

SECRET_CHARACTERS_MIN: Final = 16

_CODE: Final = re.compile(r"[A-Za-z]{3,80}\Z", re.ASCII)


class Problem(msgspec.Struct):
    """What Power Automate says is wrong."""

    code: str = ""


class Said(msgspec.Struct):
    """What it answers where it does not take a request."""

    error: Problem = msgspec.field(default_factory=Problem)


class Teams:
    """`tocsin.ports.provider.Provider`."""

    def __init__(self, settings: TeamsSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        secret = settings.acknowledge_secret
        if secret is not None and len(secret.reveal()) < SECRET_CHARACTERS_MIN:
            at_least = f"needs at least {SECRET_CHARACTERS_MIN} characters"
            raise Misconfigured([f"providers.{tools.name}.acknowledge_secret {at_least}"])
        self.flags = Flags(
            receipts=secret is not None, acknowledges=secret is not None, per_host=True
        )
        self._settings = settings
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._callback_url: Callable[[], str | None] = tools.callback_url
        self._replies = load_replies(__package__)

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Hand the one message to its workflow."""
        (message,) = messages
        if not message.address.startswith("https://"):
            return [Refused(ProviderReason.BAD_ADDRESS, "not the URL of a workflow")]
        body = json_body(card(message.content, self._acknowledge(message)))
        headers, url = headers_of(message), message.address
        if self._settings.relay_url is not None:
            headers.append(f"webhook-destination: {message.address}")
            url = self._settings.relay_url
        said = await self._transport.call(Call(url, body, headers))
        if isinstance(said, Answer):
            return [self._judged(said)]
        return [unanswered_address(said)]

    async def read_callback(self, callback: Callback) -> Reading:
        """Show the page behind a link, or read that its button was pressed."""
        settings = self._settings
        if settings.acknowledge_secret is None:
            raise Unauthenticated("no acknowledge_secret is configured")
        secret = settings.acknowledge_secret.reveal()
        return read(callback, secret, settings.acknowledge_label, settings.acknowledged_label)

    async def check(self) -> Sequence[Finding]:
        """
        Look at the relay, if there is one (`tocsin.ports.self_check.SelfCheck`).

        There is no account that could be asked, and whatever reaches a workflow's URL starts it.
        """
        if self._settings.relay_url is not None:
            return [await reached(self._transport, self._settings.relay_url)]
        return [unseen("whether workflows take cards", self.name, "URL")]

    async def close(self) -> None:
        """The client is not its own."""

    def _acknowledge(self, message: Message) -> tuple[str, str] | None:
        settings, base = self._settings, self._callback_url()
        if settings.acknowledge_secret is None or base is None or not offers(settings, message):
            return None
        secret = settings.acknowledge_secret.reveal()
        return settings.acknowledge_label, link(base, message.reference, secret)

    def _judged(self, answer: Answer) -> ProviderOutcome:
        """Read a status: 202 says that the workflow has begun, not that anything was posted."""
        code = _code_of(answer) if answer.status >= 300 else None
        after_ms = retry_after_ms(answer.header(b"retry-after"), self._wall_ms())
        reply = self._replies.of(answer.status, code)
        known = code if code in self._replies.codes else None
        return reply.outcome(known or str(answer.status), after_ms=after_ms)


def build(settings: TeamsSettings, tools: ProviderTools) -> Teams:
    """Return the provider."""
    return Teams(settings, tools)


def _code_of(answer: Answer) -> str | None:
    try:
        code = msgspec.json.decode(answer.body, type=Said).error.code
    except UNREADABLE:
        return None
    return code if _CODE.match(code) else None
