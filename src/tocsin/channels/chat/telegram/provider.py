"""The caller: one method of the Bot API for each message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Final

import msgspec

from tocsin.channels.chat.telegram.settings import TelegramSettings
from tocsin.channels.chat.telegram.updates import Pressed, receipts, update, verify, wishes
from tocsin.channels.chat.telegram.writing import acknowledged, keyboard, text_of, without
from tocsin.channels.chat.writing.acknowledging import offers
from tocsin.channels.chat.writing.calling import headers_of, json_body
from tocsin.channels.replies import load_replies, unanswered
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.retry_after import RETRY_AFTER_MAX_MS, retry_after_ms
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, Refused
from tocsin.ports.provider import Flags, Pace, ProviderTools
from tocsin.ports.receipts import Callback, Reading, Response
from tocsin.ports.self_check import Finding, found
from tocsin.ports.transport import Answer, Call

TELL_TIMEOUT_MS: Final = 2_000
CHAT_BURST: Final = 3
"""Short bursts above one message a second pass in a chat."""

_OPTIONS: Final = ("message_thread_id", "disable_notification", "protect_content")
_NOT_MODIFIED: Final = "Bad Request: message is not modified"
_GONE: Final = (
    "Bad Request: message to edit not found",
    "Bad Request: message can't be edited",
    "Bad Request: MESSAGE_ID_INVALID",
)


class Hints(msgspec.Struct):
    """What helps with an error (``ResponseParameters``)."""

    retry_after: int | None = None
    migrate_to_chat_id: int | None = None


class Made(msgspec.Struct):
    """The message that was made."""

    message_id: int


class Said(msgspec.Struct):
    """What the Bot API answers; ``result`` is a message, or true."""

    ok: bool
    description: str = ""
    parameters: Hints = msgspec.field(default_factory=Hints)
    result: Made | bool | None = None


class _Bot(msgspec.Struct, frozen=True):
    is_bot: bool


class _Named(msgspec.Struct, frozen=True):
    """The answer to ``getMe``."""

    result: _Bot


class Telegram:
    """`tocsin.ports.provider.Provider`."""

    def __init__(self, settings: TelegramSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        hears = settings.secret_token is not None
        self.flags = Flags(receipts=hears, acknowledges=hears, edits=True)
        self._settings = settings
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._replies = load_replies(__package__)
        # Of a group's twenty in a minute no more than a chat's burst at once.
        self._person = Pace(settings.chat_rate_per_second, CHAT_BURST)
        self._group = Pace(
            min(settings.chat_rate_per_second, settings.group_rate_per_minute / 60), CHAT_BURST
        )

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Send the one message, or put it in the place of the one that it supersedes."""
        (message,) = messages
        if message.supersedes is not None:
            outcome = await self._edit(message, message.supersedes)
            if not (isinstance(outcome, Refused) and outcome.detail in _GONE):
                return [outcome]
        place = {"chat_id": _chat_of(message.address)}
        said, outcome = await self._call("sendMessage", message, place)
        moved_to = said.parameters.migrate_to_chat_id if said is not None else None
        if moved_to is not None and isinstance(outcome, Refused):
            # The group has become a supergroup, under another number; nothing was sent.
            _, outcome = await self._call("sendMessage", message, {"chat_id": moved_to})
        return [outcome]

    def pace_of(self, address: str) -> Pace:
        """Return what a chat is given (`tocsin.ports.provider.ByAddress`); channels as groups."""
        return self._group if address.startswith(("-", "@")) else self._person

    async def read_callback(self, callback: Callback) -> Reading:
        """Read who pressed a button, or no longer wants to hear from the bot."""
        if self._settings.secret_token is None:
            raise Unauthenticated("no secret_token is configured")
        verify(callback, self._settings.secret_token.reveal())
        said, at_ms = update(callback.body), callback.received_ms
        found, pressed = receipts(said, at_ms), said.callback_query
        if pressed is None:
            return Reading(wishes=wishes(said, at_ms), response=Response(200))
        answer = {
            "method": "answerCallbackQuery",
            "callback_query_id": pressed.id,
            "text": self._settings.acknowledged_label if found else "",
        }
        response = Response(200, "application/json", json_body(answer))
        afterwards = partial(self._show, pressed) if found else None
        return Reading(found, response=response, afterwards=afterwards)

    async def check(self) -> Sequence[Finding]:
        """See whether Telegram knows the token (`tocsin.ports.self_check.SelfCheck`)."""
        said = await self._transport.call(Call(self._url("getMe"), b"", method="GET"))
        doing = "asking for the bot's name"
        if not isinstance(said, Answer):
            return [found(unanswered(said), doing)]
        if said.status == HTTPStatus.OK and _is_a_bot(said.body):
            return [found(Accepted(), doing)]
        return [found(self._judged(said)[1], doing)]

    async def close(self) -> None:
        """The client is not its own."""

    async def _edit(self, message: Message, provider_id: str) -> ProviderOutcome:
        # The chat is the address, which must not stand in the ledger: a person's is her number.
        id = int(provider_id) if provider_id.isdigit() else 0
        place = {"chat_id": _chat_of(message.address), "message_id": id}
        said, outcome = await self._call("editMessageText", message, place)
        if said is not None and said.description.startswith(_NOT_MODIFIED):
            return Accepted(provider_id)
        return outcome

    async def _call(
        self, method: str, message: Message, place: Mapping[str, object]
    ) -> tuple[Said | None, ProviderOutcome]:
        settings, options = self._settings, message.options
        offered = settings.secret_token is not None and offers(settings, message)
        label = (settings.acknowledge_label, message.reference) if offered else None
        markup = keyboard(message.content, label)
        body = {
            **text_of(message.content),
            **({"reply_markup": markup} if markup is not None else {}),
            **{name: options[name] for name in _OPTIONS if name in options},
            **place,
        }
        call = Call(self._url(method), json_body(body), headers_of(message))
        answer = await self._transport.call(call)
        if not isinstance(answer, Answer):
            return None, unanswered(answer)
        return self._judged(answer)

    def _judged(self, answer: Answer) -> tuple[Said | None, ProviderOutcome]:
        """Read an answer by its description, which is all that tells most errors apart."""
        try:
            said = msgspec.json.decode(answer.body, type=Said)
        except UNREADABLE:
            status = answer.status if answer.status >= 300 else 500
            after_ms = retry_after_ms(answer.header(b"retry-after"), self._wall_ms())
            outcome = self._replies.of(status).outcome(str(answer.status), after_ms=after_ms)
            return None, outcome
        if said.ok and answer.status == 200:
            made = said.result
            return said, Accepted(str(made.message_id) if isinstance(made, Made) else None)
        code = self._code(said.description)
        status = answer.status if answer.status >= 300 else 500
        after_ms = self._after_ms(said, answer)
        outcome = self._replies.of(status, code).outcome(code or str(status), after_ms=after_ms)
        return said, outcome

    def _code(self, description: str) -> str | None:
        """Return the text of the table with which *description* begins, which may say more."""
        fitting = [code for code in self._replies.codes if description.startswith(code)]
        return max(fitting, key=len, default=None)

    def _after_ms(self, said: Said, answer: Answer) -> int | None:
        asked_s = said.parameters.retry_after
        if asked_s is not None and asked_s >= 0:
            return min(asked_s * 1_000, RETRY_AFTER_MAX_MS)
        return retry_after_ms(answer.header(b"retry-after"), self._wall_ms())

    async def _show(self, pressed: Pressed) -> None:
        """Show below the message that it was acknowledged, and take the button away."""
        shown = pressed.message
        chat = shown.get("chat")
        place = {
            "chat_id": chat.get("id") if isinstance(chat, dict) else None,
            "message_id": shown.get("message_id"),
            "reply_markup": without(shown, pressed.data),
        }
        label = self._settings.acknowledged_label
        fields = acknowledged(shown, label, pressed.sender.first_name)
        method = "editMessageReplyMarkup" if fields is None else "editMessageText"
        body = json_body({**place, **(fields or {})})
        headers = ("content-type: application/json",)
        await self._transport.call(
            Call(self._url(method), body, headers, timeout_ms=TELL_TIMEOUT_MS)
        )

    def _url(self, method: str) -> str:
        return f"{self._settings.api_url}bot{self._settings.bot_token.reveal()}/{method}"


def build(settings: TelegramSettings, tools: ProviderTools) -> Telegram:
    """Return the provider."""
    return Telegram(settings, tools)


def _is_a_bot(body: bytes) -> bool:
    try:
        return msgspec.json.decode(body, type=_Named).result.is_bot
    except UNREADABLE:
        return False


def _chat_of(address: str) -> int | str:
    return int(address) if address.lstrip("-").isdigit() else address
