"""The caller: one POST to the number's messages for each."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import msgspec

from tocsin.channels.chat.whatsapp.callbacks import (
    challenge,
    is_user_id,
    notice,
    receipts,
    verify,
    wishes,
)
from tocsin.channels.chat.whatsapp.settings import WhatsAppSettings
from tocsin.channels.chat.whatsapp.writing import fields_of
from tocsin.channels.chat.writing.acknowledging import offers
from tocsin.channels.chat.writing.calling import headers_of, json_body
from tocsin.channels.replies import load_replies, unanswered
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.retry_after import retry_after_ms
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused
from tocsin.ports.provider import Flags, ProviderTools
from tocsin.ports.receipts import Callback, Reading, Response
from tocsin.ports.self_check import Finding, Weight, found
from tocsin.ports.transport import Answer, Call

_ASKING: Final = "asking about the number"
_RED: Final = Finding(
    Weight.ADVICE,
    "people block or report what the number sends, and Meta may soon let it send less",
    "send fewer messages that nobody asked for, and see the number in WhatsApp Manager",
)


class Number(msgspec.Struct, frozen=True):
    """What the Graph API says of a number."""

    id: str
    quality_rating: str = ""


class Fault(msgspec.Struct):
    """An error of the Graph API's."""

    code: int


class Made(msgspec.Struct):
    """A message that was made."""

    id: str


class Said(msgspec.Struct):
    """What the Graph API answers."""

    messages: list[Made] = []
    error: Fault | None = None


class WhatsApp:
    """`tocsin.ports.provider.Provider`."""

    def __init__(self, settings: WhatsAppSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        hears = settings.app_secret is not None
        self.flags = Flags(receipts=hears, arrivals=hears, reads=hears, acknowledges=hears)
        self._settings = settings
        self._transport = tools.transport
        self._wall_ms = tools.wall_ms
        self._replies = load_replies(__package__)

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Send the one message."""
        (message,) = messages
        address = message.address
        if not (address.startswith("+") or is_user_id(address)):
            return [Refused(ProviderReason.BAD_ADDRESS, "not a phone number")]
        settings = self._settings
        offered = settings.app_secret is not None and offers(settings, message)
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to" if address.startswith("+") else "recipient": address,
            "biz_opaque_callback_data": message.reference,
            **fields_of(message, settings.acknowledge_label if offered else None),
        }
        url = f"{settings.api_url}{settings.phone_number_id}/messages"
        token = f"authorization: Bearer {settings.access_token.reveal()}"
        said = await self._transport.call(Call(url, json_body(body), headers_of(message, token)))
        return [self._judged(said) if isinstance(said, Answer) else unanswered(said)]

    async def read_callback(self, callback: Callback) -> Reading:
        """Read what became of messages; a GET asks whether this is where webhooks belong."""
        settings = self._settings
        if callback.method == "GET":
            if settings.verify_token is None:
                raise Unauthenticated("no verify_token is configured")
            return Reading(response=challenge(callback, settings.verify_token.reveal()))
        if settings.app_secret is None:
            raise Unauthenticated("no app_secret is configured")
        verify(callback, settings.app_secret.reveal())
        said, at_ms = notice(callback.body), callback.received_ms
        return Reading(
            list(receipts(said, at_ms)), list(wishes(said, at_ms)), response=Response(200)
        )

    async def check(self) -> Sequence[Finding]:
        """Ask Meta about the number (`tocsin.ports.self_check.SelfCheck`)."""
        settings = self._settings
        url = f"{settings.api_url}{settings.phone_number_id}?fields=id,quality_rating"
        token = f"authorization: Bearer {settings.access_token.reveal()}"
        said = await self._transport.call(Call(url, b"", (token,), method="GET"))
        if not isinstance(said, Answer):
            return [found(unanswered(said), _ASKING)]
        number = _number(said) if said.status == HTTPStatus.OK else None
        if number is None:
            return [found(self._judged(said), _ASKING)]
        fine = found(Accepted(), _ASKING)
        return [fine, _RED] if number.quality_rating == "RED" else [fine]

    async def close(self) -> None:
        """The client is not its own."""

    def _judged(self, answer: Answer) -> ProviderOutcome:
        """
        Read an answer by its code.

        Meta's id of a message is not kept: the person's number can be read from it, and webhooks
        bring our own reference.
        """
        try:
            said = msgspec.json.decode(answer.body, type=Said)
        except UNREADABLE:
            said = Said()
        if answer.status == 200 and said.messages and said.error is None:
            return Accepted()
        code = str(said.error.code) if said.error is not None else None
        status = answer.status if answer.status >= 300 else 500
        after_ms = retry_after_ms(answer.header(b"retry-after"), self._wall_ms())
        return self._replies.of(status, code).outcome(code or str(status), after_ms=after_ms)


def build(settings: WhatsAppSettings, tools: ProviderTools) -> WhatsApp:
    """Return the provider."""
    return WhatsApp(settings, tools)


def _number(answer: Answer) -> Number | None:
    try:
        return msgspec.json.decode(answer.body, type=Number)
    except UNREADABLE:
        return None
