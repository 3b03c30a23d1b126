"""The caller: one form for each message, and what Twilio reports of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tocsin.channels.phones import (
    american_rate,
    check_senders,
    message_id,
    parts_of,
    rated,
    too_long,
    wish_of,
)
from tocsin.channels.replies import load_replies
from tocsin.channels.sms.twilio.settings import TwilioSmsSettings
from tocsin.channels.twilio_account import Reported, TwilioAccount
from tocsin.ports.message import Message
from tocsin.ports.outcomes import ProviderOutcome, ProviderReason, Refused
from tocsin.ports.provider import Flags, ProviderTools, Sender
from tocsin.ports.receipts import Callback, ChannelWish, Reading, Receipt, ReceiptState, Response
from tocsin.ports.self_check import Finding

_VALIDITY_MAX_S: Final = 36_000
_STATES: Final = {
    "delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.OPENED,
    "undelivered": ReceiptState.FAILED,
    "failed": ReceiptState.FAILED,
}
_SHORT_CODE_RATE: Final = 100.0
_NAME_RATE: Final = 10.0
_LONG_NUMBER_RATE: Final = 10.0
_OPTED_OUT: Final = "21610"
_WISHES: Final = {"STOP": False, "START": True}
_SILENCE: Final = Response(200, "text/xml", b"<Response/>")
"""Twilio reads the answer as TwiML: this says that nobody answers."""


class TwilioSms:
    """`tocsin.ports.provider.Provider`."""

    flags = Flags(receipts=True, arrivals=True)

    def __init__(self, settings: TwilioSmsSettings, tools: ProviderTools) -> None:
        check_senders(settings, tools.name, settings.messaging_service_sid)
        self.name = tools.name
        self._settings = settings
        self._wall_ms = tools.wall_ms
        self._replies = load_replies(__package__)
        self._account = TwilioAccount(settings, tools, self._replies, "Messages")

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Make the call of the one message."""
        (message,) = messages
        refused = too_long(message.content.fields["text"], self._settings.segments_max)
        if refused is not None:
            return [refused]
        sender = self._settings.sender_to(message.address)
        if sender is None and self._settings.messaging_service_sid is None:
            return [Refused(ProviderReason.OUR_FAULT, "no sender is set for this country")]
        return [await self._account.create(list(self._form(message, sender)), message.trace)]

    async def read_callback(self, callback: Callback) -> Reading:
        """Read the status of a message, or what its recipient wrote back."""
        reported = self._account.read(callback)
        reported.need("MessageSid")
        if "MessageStatus" in reported.fields:
            return self._status(reported, callback.received_ms)
        return _reply(reported, callback.received_ms)

    def sender_of(self, address: str) -> Sender | None:
        """Return the number or name that carries it, with the rate that its kind begins with."""
        sender = self._settings.sender_to(address)
        return None if sender is None else rated(sender, self._settings, _rate(sender))

    def parts_of(self, message: Message) -> int:
        """Return how many parts carriers count."""
        return parts_of(message)

    async def check(self) -> Sequence[Finding]:
        """Ask about the account (`tocsin.ports.self_check.SelfCheck`)."""
        return await self._account.check()

    async def close(self) -> None:
        """The client is not its own."""

    def _form(self, message: Message, sender: str | None) -> Iterator[tuple[str, str]]:
        yield "To", message.address
        if sender is not None:
            yield "From", sender
        else:
            yield "MessagingServiceSid", self._settings.messaging_service_sid or ""
        yield "Body", message.content.fields["text"]
        status = self._account.callback_url(message.reference)
        if status is not None:
            yield "StatusCallback", status
        if message.expires_ms is not None:
            left_s = (message.expires_ms - self._wall_ms()) // 1_000
            yield "ValidityPeriod", str(min(max(left_s, 1), _VALIDITY_MAX_S))
        if self._settings.smart_encoding:
            yield "SmartEncoded", "true"

    def _status(self, reported: Reported, at_ms: int) -> Reading:
        state = _STATES.get(reported.fields["MessageStatus"])
        if state is None or reported.reference is None:
            return Reading()
        if state is not ReceiptState.FAILED:
            return Reading([Receipt(reported.reference, state, state.value, at_ms)])
        code = reported.fields.get("ErrorCode", "")
        report = self._replies.report(code)
        receipt = Receipt(
            reported.reference, state, report.reason, at_ms, report.dead_address, code
        )
        wishes = []
        if code == _OPTED_OUT:
            wishes.append(ChannelWish(reported.need("To"), False, at_ms, code))
        return Reading([receipt], wishes)


def build(settings: TwilioSmsSettings, tools: ProviderTools) -> TwilioSms:
    """Return the provider."""
    return TwilioSms(settings, tools)


def _rate(sender: str) -> float:
    """Return what Twilio lets a sender of this kind begin with, in messages a second."""
    if not sender.startswith("+"):
        return _SHORT_CODE_RATE if sender.isdigit() else _NAME_RATE
    return american_rate(sender) or _LONG_NUMBER_RATE


def _reply(reported: Reported, at_ms: int) -> Reading:
    """Read what somebody wrote; where Twilio itself knows opt-outs it names them."""
    kind = reported.fields.get("OptOutType", "")
    wanted = _WISHES.get(kind) if kind else wish_of(reported.fields.get("Body", ""))
    if wanted is None:
        return Reading(response=_SILENCE)
    detail = kind or reported.fields["Body"].strip().upper()
    sid = reported.fields.get("MessageSid", "")
    wish = ChannelWish(reported.need("From"), wanted, at_ms, detail, message_id(sid))
    return Reading(wishes=[wish], response=_SILENCE)
