"""The caller: the Web API for channels and people, incoming webhooks for URLs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from tocsin.channels.chat.slack.blocks import acknowledged, blocks, fallback
from tocsin.channels.chat.slack.callbacks import Interaction, interaction, receipts, verify
from tocsin.channels.chat.slack.settings import SlackSettings
from tocsin.channels.chat.writing.acknowledging import offers
from tocsin.channels.chat.writing.calling import headers_of, json_body
from tocsin.channels.replies import load_replies, unanswered
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.retry_after import retry_after_ms
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused
from tocsin.ports.provider import Flags, Pace, ProviderTools
from tocsin.ports.receipts import Callback, Reading, Response
from tocsin.ports.self_check import Finding, Weight, found
from tocsin.ports.transport import Answer, Call

CHANNEL_BURST: Final = 3
"""Short bursts above one message a second pass in a channel."""

HOOKS: Final = "https://hooks.slack.com/"
TELL_TIMEOUT_MS: Final = 2_000
"""Slack waits three seconds for the answer to a press, and this comes before it."""

_OPTIONS: Final = ("thread_ts", "reply_broadcast", "username", "icon_emoji", "icon_url")
_GONE: Final = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
_CODE: Final = re.compile(r"[a-z_]{2,80}\Z", re.ASCII)


class Said(msgspec.Struct):
    """What the Web API answers."""

    ok: bool
    error: str = ""
    channel: str = ""
    ts: str = ""


_NO_BOT: Final = "set bot_token to post to channels and to persons"


class Slack:
    """`tocsin.ports.provider.Provider`."""

    def __init__(self, settings: SlackSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        hears = settings.signing_secret is not None
        self.flags = Flags(receipts=hears, acknowledges=hears, edits=True)
        self._settings = settings
        self._pace = Pace(settings.channel_rate_per_second, CHANNEL_BURST)
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._replies = load_replies(__package__)

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Post the one message, or put it in the place of the one that it supersedes."""
        (message,) = messages
        if message.address.startswith("https://"):
            return [await self._to_webhook(message)]
        if self._settings.bot_token is None:
            return [Refused(ProviderReason.OUR_FAULT, "no bot_token is configured")]
        if message.supersedes is not None:
            outcome = await self._to_api("chat.update", message, _place(message.supersedes))
            if not (isinstance(outcome, Refused) and outcome.detail in _GONE):
                return [outcome]
        return [await self._to_api("chat.postMessage", message, {"channel": message.address})]

    def pace_of(self, address: str) -> Pace:
        """Return what a channel or webhook is given (`tocsin.ports.provider.ByAddress`)."""
        return self._pace

    async def read_callback(self, callback: Callback) -> Reading:
        """Read who pressed a button; the message then shows that it was acknowledged."""
        if self._settings.signing_secret is None:
            raise Unauthenticated("no signing_secret is configured")
        verify(callback, self._settings.signing_secret.reveal())
        said = interaction(callback.body)
        pressed = receipts(said, callback.received_ms)
        afterwards = partial(self._show, said) if pressed else None
        return Reading(pressed, response=Response(200), afterwards=afterwards)

    async def check(self) -> Sequence[Finding]:
        """See whether Slack knows the bot (`tocsin.ports.self_check.SelfCheck`)."""
        token, doing = self._settings.bot_token, "asking who the bot is"
        if token is None:
            return [Finding(Weight.ADVICE, "it posts to incoming webhooks only", _NO_BOT)]
        headers = (f"authorization: Bearer {token.reveal()}",)
        said = await self._transport.call(Call(f"{self._settings.api_url}auth.test", b"", headers))
        outcome = self._judged(said) if isinstance(said, Answer) else unanswered(said)
        return [found(outcome, doing)]

    async def close(self) -> None:
        """The client is not its own."""

    async def _to_api(
        self, method: str, message: Message, place: Mapping[str, str]
    ) -> ProviderOutcome:
        assert self._settings.bot_token is not None
        metadata = {"event_type": "tocsin", "event_payload": {"delivery": message.reference}}
        body = {**self._body(message), **place, "metadata": metadata}
        token = f"authorization: Bearer {self._settings.bot_token.reveal()}"
        url = self._settings.api_url + method
        said = await self._transport.call(Call(url, json_body(body), headers_of(message, token)))
        return self._judged(said) if isinstance(said, Answer) else unanswered(said)

    async def _to_webhook(self, message: Message) -> ProviderOutcome:
        url = self._hook(message.address)
        if url is None:
            return Refused(ProviderReason.BAD_ADDRESS, "not a webhook of Slack's")
        body = json_body(self._body(message))
        said = await self._transport.call(Call(url, body, headers_of(message)))
        return self._judged(said) if isinstance(said, Answer) else unanswered(said)

    def _body(self, message: Message) -> dict[str, Any]:
        settings, options = self._settings, message.options
        # A press comes back only where the signature can be checked.
        offered = settings.signing_secret is not None and offers(settings, message)
        label = settings.acknowledge_label if offered else None
        return {
            "text": fallback(message.content),
            "blocks": blocks(message.content, message.reference, label),
            "mrkdwn": False,
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
            **{name: options[name] for name in _OPTIONS if name in options},
        }

    def _judged(self, answer: Answer) -> ProviderOutcome:
        """
        Read an answer: JSON with ``ok`` of the API, words of a webhook.

        Only what says that it was taken counts as taken: a proxy's page may have any status.
        """
        try:
            said = msgspec.json.decode(answer.body, type=Said)
        except UNREADABLE:
            said = _words(answer)
        if said.ok and answer.status == 200:
            return Accepted(f"{said.channel}:{said.ts}" if said.channel and said.ts else None)
        code = said.error if _CODE.match(said.error) else None
        status = answer.status if answer.status >= 300 else 400 if code else 500
        after_ms = retry_after_ms(answer.header(b"retry-after"), self._wall_ms())
        return self._replies.of(status, code).outcome(code or str(answer.status), after_ms=after_ms)

    async def _show(self, said: Interaction) -> None:
        """Put who acknowledged in the place of the button, if Slack says where."""
        url = self._hook(said.response_url)
        if url is None:
            return
        shown = said.message
        label = self._settings.acknowledged_label
        body = {
            "replace_original": True,
            "text": f"{shown.get('text', '')}",
            "blocks": acknowledged(shown.get("blocks"), label, said.user_id),
        }
        headers = ("content-type: application/json; charset=utf-8",)
        await self._transport.call(Call(url, json_body(body), headers, timeout_ms=TELL_TIMEOUT_MS))

    def _hook(self, url: str) -> str | None:
        """Return where to call a URL that Slack gave out; None for any other."""
        for base in (HOOKS, self._settings.hooks_url):
            if url.startswith(base):
                return self._settings.hooks_url + url.removeprefix(base)
        return None


def build(settings: SlackSettings, tools: ProviderTools) -> Slack:
    """Return the provider."""
    return Slack(settings, tools)


def _place(provider_id: str) -> Mapping[str, str]:
    channel, _, ts = provider_id.partition(":")
    return {"channel": channel, "ts": ts}


def _words(answer: Answer) -> Said:
    """Read what a webhook answers: ``ok``, or a status that says it failed and one word."""
    text = answer.body[:100].decode("ascii", "replace").strip()
    return Said(text == "ok", text if answer.status >= 300 else "")
