"""The caller: one form for each message, of whose parts each has an answer of its own."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from tocsin.channels.phones import (
    american_rate,
    check_senders,
    message_id,
    parts_of,
    rated,
    too_long,
    wish_of,
)
from tocsin.channels.replies import load_replies, unanswered
from tocsin.channels.sms.vonage.settings import VonageSettings
from tocsin.channels.sms.vonage.signing import is_signed, signature
from tocsin.config import Misconfigured, Secret
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.retry_after import retry_after_ms
from tocsin.domain.sms import segments
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused, TryLater
from tocsin.ports.provider import Flags, ProviderTools, Sender
from tocsin.ports.receipts import Callback, ChannelWish, Reading, Receipt, ReceiptState, Response
from tocsin.ports.self_check import Finding, Weight, found
from tocsin.ports.transport import Answer, Call, NoAnswer

_TTL_MIN_MS: Final = 20_000
_TTL_MAX_MS: Final = 604_800_000
_FIELDS_MAX: Final = 100
_CODE_DIGITS_MAX: Final = 8
_TAKEN: Final = "0"
_ABOUT_TO: Final = frozenset({"2", "3"})
"""Statuses about a parameter; where that is the recipient's number, the number is at fault."""
_ENDED: Final = frozenset({"failed", "rejected", "expired"})
_HEARD: Final = Response(200)


class Part(msgspec.Struct, frozen=True):
    """What is said of one part."""

    status: str
    id: str = msgspec.field(default="", name="message-id")
    error: str = msgspec.field(default="", name="error-text")


class Parts(msgspec.Struct, frozen=True):
    """What is said of a message."""

    messages: list[Part]


class Vonage:
    """`tocsin.ports.provider.Provider`."""

    def __init__(self, settings: VonageSettings, tools: ProviderTools) -> None:
        check_senders(settings, tools.name)
        if settings.api_secret is None and settings.signature_secret is None:
            raise Misconfigured([f"providers.{tools.name}: set api_secret or signature_secret"])
        self.name = tools.name
        hears = settings.signature_secret is not None
        self.flags = Flags(receipts=hears, arrivals=hears)
        self._settings = settings
        self._tools = tools
        self._replies = load_replies(__package__)

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Make the call of the one message."""
        (message,) = messages
        text = message.content.fields["text"]
        refused = too_long(text, self._settings.segments_max)
        if refused is not None:
            return [refused]
        sender = self._settings.sender_to(message.address)
        if sender is None:
            return [Refused(ProviderReason.OUR_FAULT, "no sender is set for this country")]
        said = await self._tools.transport.call(self._call(message, sender, text))
        return [unanswered(said) if isinstance(said, NoAnswer) else self._judged(said)]

    async def read_callback(self, callback: Callback) -> Reading:
        """Read what became of a message, or what its recipient wrote back."""
        fields = _fields(callback)
        self._verify(fields, callback.received_ms)
        if "messageId" not in fields:
            raise Malformed("messageId is missing")
        if "status" in fields:
            return self._status(fields, callback.received_ms)
        return _reply(fields, callback.received_ms)

    def sender_of(self, address: str) -> Sender | None:
        """Return the number that carries it, where carriers bound numbers by themselves."""
        sender = self._settings.sender_to(address)
        return None if sender is None else rated(sender, self._settings, american_rate(sender))

    def parts_of(self, message: Message) -> int:
        """Return how many parts carriers count."""
        return parts_of(message)

    async def check(self) -> Sequence[Finding]:
        """Look whether the account takes us, and whether it is told how callbacks are signed."""
        findings = []
        settings = self._settings
        if settings.api_secret is not None:
            url = f"{settings.api_url}/account/get-balance"
            headers = [self._login(settings.api_secret), "accept: application/json"]
            said = await self._tools.transport.call(Call(url, b"", headers, method="GET"))
            known = unanswered(said) if isinstance(said, NoAnswer) else self._by_status(said)
            findings.append(found(known, "logging in to the account"))
        if settings.signature_secret is None:
            says = "no callback is believed, so nothing is heard of messages again"
            findings.append(Finding(Weight.ADVICE, says, "set signature_secret"))
        return findings

    async def close(self) -> None:
        """The client is not its own."""

    def _call(self, message: Message, sender: str, text: str) -> Call:
        fields = dict(self._form(message, sender, text))
        headers = ["content-type: application/x-www-form-urlencoded", "accept: application/json"]
        settings = self._settings
        if settings.api_secret is not None:
            headers.append(self._login(settings.api_secret))
        else:
            assert settings.signature_secret is not None
            fields["api_key"] = settings.api_key
            fields["timestamp"] = str(self._tools.wall_ms() // 1_000)
            secret = settings.signature_secret.reveal()
            fields["sig"] = signature(fields, secret, settings.signature_method)
        if message.trace is not None:
            headers.append(f"traceparent: {message.trace}")
        return Call(f"{settings.api_url}/sms/json", urlencode(fields).encode(), headers)

    def _login(self, secret: Secret) -> str:
        login = f"{self._settings.api_key}:{secret.reveal()}".encode()
        return f"authorization: Basic {base64.b64encode(login).decode()}"

    def _by_status(self, answer: Answer) -> ProviderOutcome:
        after_ms = retry_after_ms(answer.header(b"retry-after"), self._tools.wall_ms())
        return self._replies.of(answer.status).outcome(str(answer.status), after_ms=after_ms)

    def _form(self, message: Message, sender: str, text: str) -> Iterator[tuple[str, str]]:
        yield "to", message.address.removeprefix("+")
        yield "from", sender.removeprefix("+")
        yield "text", text
        yield "type", "unicode" if segments(text).encoding == "UCS-2" else "text"
        yield "client-ref", message.reference
        callback = self._tools.callback_url()
        if callback is not None and self.flags.receipts:
            yield "status-report-req", "1"
            yield "callback", callback
        if message.expires_ms is not None:
            left_ms = message.expires_ms - self._tools.wall_ms()
            yield "ttl", str(min(max(left_ms, _TTL_MIN_MS), _TTL_MAX_MS))

    def _judged(self, answer: Answer) -> ProviderOutcome:
        if not 200 <= answer.status < 300:
            return self._by_status(answer)
        try:
            parts = msgspec.json.decode(answer.body, type=Parts).messages
        except UNREADABLE:
            parts = []
        if not parts:
            return TryLater(ProviderReason.OVERLOADED, known=False, detail="no answer to read")
        refused = next((part for part in parts if part.status != _TAKEN), None)
        if refused is None:
            return Accepted(parts[0].id or None)
        outcome = self._replies.of(400, _code(refused)).outcome(_shown(refused.status))
        if all(part.status != _TAKEN for part in parts):
            return outcome
        # Some of it is on its way, so nobody can say that nothing was taken.
        reason = ProviderReason.OVERLOADED if isinstance(outcome, Accepted) else outcome.reason
        return TryLater(reason, known=False, detail=f"a part: {_shown(refused.status)}")

    def _verify(self, fields: Mapping[str, str], now_ms: int) -> None:
        settings = self._settings
        if settings.signature_secret is None:
            raise Unauthenticated("without a signature_secret no callback is believed")
        if not is_signed(fields, settings.signature_secret.reveal(), settings.signature_method):
            raise Unauthenticated("the signature is not Vonage's")
        stamp = fields.get("timestamp", "")
        if not (stamp.isascii() and stamp.isdigit()):
            raise Unauthenticated("the callback has no time")
        if abs(int(stamp[:12]) * 1_000 - now_ms) >= settings.callback_window_ms:
            raise Unauthenticated("the callback is too old")

    def _status(self, fields: Mapping[str, str], at_ms: int) -> Reading:
        reference, status = fields.get("client-ref", ""), fields["status"]
        if status == "delivered":
            state = ReceiptState.DELIVERED
            return Reading([Receipt(reference, state, state.value, at_ms)], response=_HEARD)
        if status not in _ENDED:
            return Reading(response=_HEARD)
        code = fields.get("err-code", "")
        report = self._replies.report(code)
        failed, dead = ReceiptState.FAILED, report.dead_address
        # Whatever else may stand there is none of its codes, and could name somebody.
        shown = (
            code if code.isascii() and code.isdecimal() and len(code) <= _CODE_DIGITS_MAX else ""
        )
        detail = f"{status} {shown}".strip()
        receipt = Receipt(reference, failed, report.reason, at_ms, dead, detail)
        return Reading([receipt], response=_HEARD)


def build(settings: VonageSettings, tools: ProviderTools) -> Vonage:
    """Return the provider."""
    return Vonage(settings, tools)


def _code(part: Part) -> str:
    """Return the code of the table: the status, and what it is about where that matters."""
    words = part.error.lower().replace(":", " ").split()
    return f"{part.status}-to" if part.status in _ABOUT_TO and "to" in words else part.status


def _shown(status: str) -> str:
    return f"status {status[:4]}"


def _fields(callback: Callback) -> dict[str, str]:
    """Read a form, a query, or JSON: the account's settings at Vonage say which it sends."""
    kind = callback.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        fields = parse_qsl(callback.query, keep_blank_values=True, max_num_fields=_FIELDS_MAX)
        if kind == "application/json":
            found = msgspec.json.decode(callback.body, type=dict[str, str | int | float | bool])
            fields += [(name, str(value)) for name, value in found.items()]
        else:
            text = callback.body.decode("utf-8", "replace")
            fields += parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except (*UNREADABLE, ValueError):
        raise Malformed("a form, a query or a JSON object is needed") from None
    return dict(fields)


def _said_ms(shown: str, received_ms: int) -> int:
    """Return when a message was written, in UTC; what is no time, or lies ahead, is now."""
    try:
        said = datetime.strptime(shown, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return received_ms
    return min(int(said.timestamp()) * 1_000, received_ms)


def _reply(fields: Mapping[str, str], at_ms: int) -> Reading:
    text, number = fields.get("text", ""), fields.get("msisdn", "")
    wanted = wish_of(text)
    if wanted is None or not number:
        return Reading(response=_HEARD)
    id = message_id(fields.get("messageId", ""))
    said_ms = _said_ms(fields.get("message-timestamp", ""), at_ms)
    wish = ChannelWish(f"+{number}", wanted, said_ms, text.strip().upper(), id)
    return Reading(wishes=[wish], response=_HEARD)
