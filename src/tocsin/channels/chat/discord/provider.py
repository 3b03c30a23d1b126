"""The caller: the webhook that is the address, and the message that it made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from tocsin.channels.chat.discord.embeds import acknowledged, fields_of
from tocsin.channels.chat.discord.interactions import PING, interaction, receipts, verify
from tocsin.channels.chat.discord.settings import DiscordSettings
from tocsin.channels.chat.writing.acknowledging import offers
from tocsin.channels.chat.writing.calling import headers_of, json_body
from tocsin.channels.replies import load_replies, unanswered
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.retry_after import RETRY_AFTER_MAX_MS, retry_after_ms
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import (
    Accepted,
    ProviderOutcome,
    ProviderReason,
    Refused,
    TryLater,
)
from tocsin.ports.provider import Flags, ProviderTools
from tocsin.ports.receipts import Callback, Reading, Response
from tocsin.ports.self_check import Finding, Weight, found
from tocsin.ports.transport import Answer, Call, Method

_ADDRESS: Final = re.compile(
    r"https://(?:(?:canary|ptb)\.)?discord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?"
    r"(webhooks/[0-9]{1,25}/[A-Za-z0-9_-]{1,200})(?:\?thread_id=([0-9]{1,25}))?\Z",
    re.ASCII,
)
_OPTIONS: Final = ("username", "avatar_url", "tts", "flags", "thread_name")
_GONE: Final = frozenset({"10008", "50005"})
_NO_APP: Final = Finding(
    Weight.ADVICE,
    "there is no button to acknowledge, since presses could not be proved to be Discord's",
    "set `public_key` to that of the app that owns the webhooks",
)
_DONE: Final = Response(200, "application/json", json_body({"type": 6}))
_PONG: Final = Response(200, "application/json", json_body({"type": PING}))


_BANNED: Final = "banned"


class Said(msgspec.Struct):
    """What Discord answers: a message, or an error."""

    id: str = ""
    code: int = 0
    retry_after: float | None = None
    global_: bool = msgspec.field(default=False, name="global")


class Discord:
    """`tocsin.ports.provider.Provider`."""

    def __init__(self, settings: DiscordSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        hears = settings.public_key is not None
        self.flags = Flags(receipts=hears, acknowledges=hears, edits=True)
        self._settings = settings
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._replies = load_replies(__package__)

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Post the one message, or put it in the place of the one that it supersedes."""
        (message,) = messages
        found = _ADDRESS.match(message.address)
        if found is None:
            return [Refused(ProviderReason.BAD_ADDRESS, "not a webhook of Discord's")]
        hook, thread = found.groups()
        query = "with_components=true" + (f"&thread_id={thread}" if thread else "")
        if message.supersedes is not None and message.supersedes.isdigit():
            edited = f"{hook}/messages/{message.supersedes}?{query}"
            outcome = await self._call("PATCH", edited, message)
            if not (isinstance(outcome, Refused) and outcome.detail in _GONE):
                return [outcome]
        # Without `wait` it is not told whether the message came about.
        return [await self._call("POST", f"{hook}?wait=true&{query}", message)]

    async def read_callback(self, callback: Callback) -> Reading:
        """Read who pressed a button; the answer changes the message that had it."""
        if self._settings.public_key is None:
            raise Unauthenticated("no public_key is configured")
        verify(callback, self._settings.public_key)
        said = interaction(callback.body)
        if said.type == PING:
            return Reading(response=_PONG)
        found = receipts(said, callback.received_ms)
        if not found:
            return Reading(response=_DONE)
        label = self._settings.acknowledged_label
        data = acknowledged(said.message, label, said.user_id)
        changed = {"type": 7, "data": data}
        return Reading(found, response=Response(200, "application/json", json_body(changed)))

    async def check(self) -> Sequence[Finding]:
        """
        See whether Discord's API answers (`tocsin.ports.self_check.SelfCheck`).

        There is no account: each webhook's URL is its own credential, and an address.
        """
        said = await self._transport.call(
            Call(f"{self._settings.api_url}gateway", b"", method="GET")
        )
        fine = isinstance(said, Answer) and said.status == HTTPStatus.OK
        if isinstance(said, Answer):
            outcome = Accepted() if fine else self._judged(said)
        else:
            outcome = unanswered(said)
        findings = [found(outcome, "reaching Discord's API")]
        return findings if self._settings.public_key is not None else [*findings, _NO_APP]

    async def close(self) -> None:
        """The client is not its own."""

    async def _call(self, method: Method, target: str, message: Message) -> ProviderOutcome:
        settings, options = self._settings, message.options
        offered = settings.public_key is not None and offers(settings, message)
        label = settings.acknowledge_label if offered else None
        body: dict[str, Any] = fields_of(message.content, message.reference, label)
        if method == "POST":
            body |= {name: options[name] for name in _OPTIONS if name in options}
        headers = headers_of(message)
        url = settings.api_url + target
        answer = await self._transport.call(Call(url, json_body(body), headers, method=method))
        return self._judged(answer) if isinstance(answer, Answer) else unanswered(answer)

    def _judged(self, answer: Answer) -> ProviderOutcome:
        try:
            said = msgspec.json.decode(answer.body, type=Said)
        except UNREADABLE:
            said = Said()
            if answer.status == HTTPStatus.TOO_MANY_REQUESTS and answer.body.lstrip()[:1] == b"<":
                # A page is what stands before Discord, and that turns away our whole address.
                after_ms = self._after_ms(said, answer)
                return self._replies.codes[_BANNED].outcome(_BANNED, after_ms=after_ms)
        if answer.status in {200, 204} and (said.id.isdigit() or answer.status == 204):
            return Accepted(said.id or None)
        code = str(said.code) if said.code else None
        status = answer.status if answer.status >= 300 else 500
        detail = code or str(status)
        outcome = self._replies.of(status, code).outcome(
            detail, after_ms=self._after_ms(said, answer)
        )
        if said.global_ and isinstance(outcome, TryLater) and outcome.address_only:
            # Everything that is called from here is too much, not this webhook alone.
            return TryLater(outcome.reason, after_ms=outcome.after_ms, detail=detail)
        return outcome

    def _after_ms(self, said: Said, answer: Answer) -> int | None:
        if said.retry_after is not None and 0 <= said.retry_after <= RETRY_AFTER_MAX_MS / 1_000:
            return int(said.retry_after * 1_000) + 1
        return retry_after_ms(answer.header(b"retry-after"), self._wall_ms())


def build(settings: DiscordSettings, tools: ProviderTools) -> Discord:
    """Return the provider."""
    return Discord(settings, tools)
