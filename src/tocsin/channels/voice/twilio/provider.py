"""The caller: what a call says goes along with it, what is pressed comes back by a form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from tocsin.channels.phones import check_senders, rated
from tocsin.channels.replies import load_replies
from tocsin.channels.twilio_account import Reported, TwilioAccount
from tocsin.channels.voice.twilio.settings import TwilioVoiceSettings
from tocsin.channels.voice.twilio.speech import KEY, Speech, hung_up, language_for
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused
from tocsin.ports.provider import Flags, ProviderTools, Sender
from tocsin.ports.receipts import Callback, Reading, Receipt, ReceiptState, Response
from tocsin.ports.self_check import Finding

_TWIML_CHARACTERS_MAX: Final = 4_000
_STATUS: Final = "status"
_KEY: Final = "key"
_LAST_KEY: Final = "last_key"
_MACHINE: Final = "machine"
_MISSED: Final = frozenset({ProviderReason.UNANSWERED, ProviderReason.UNREACHABLE})
"""How a call may end that is made again."""
_MARGIN_MS: Final = 60_000
"""For the line to Twilio's caller, for the carrier's, and for the callback to arrive."""
_DETECTION_MS: Final = 30_000
_CHARACTER_MS: Final = 100


class TwilioVoice:
    """`tocsin.ports.provider.Provider`."""

    flags = Flags(receipts=True, arrivals=True, acknowledges=True)

    def __init__(self, settings: TwilioVoiceSettings, tools: ProviderTools) -> None:
        check_senders(settings, tools.name)
        self.name = tools.name
        self._settings = settings
        self._replies = load_replies(__package__)
        self._account = TwilioAccount(settings, tools, self._replies, "Calls")

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        """Make the call of the one message."""
        (message,) = messages
        sender = self._settings.sender_to(message.address)
        if sender is None:
            return [Refused(ProviderReason.OUR_FAULT, "no sender is set for this country")]
        spoken = self._spoken(message)
        if len(spoken) > _TWIML_CHARACTERS_MAX:
            detail = f"{len(spoken)} characters of TwiML, {_TWIML_CHARACTERS_MAX} are allowed"
            return [Refused(ProviderReason.TOO_LARGE, detail)]
        form = list(self._form(message, sender, spoken))
        outcome = await self._account.create(form, message.trace)
        if isinstance(outcome, Accepted) and self._account.callback_url("") is not None:
            outcome = replace(outcome, ringing_ms=self._ringing_ms(message))
        return [outcome]

    async def read_callback(self, callback: Callback) -> Reading:
        """Read how a call went, or which key was pressed, which is answered with what to say."""
        reported = self._account.read(callback)
        reported.need("CallSid")
        if reported.query.get("kind") in {_KEY, _LAST_KEY}:
            return self._pressed(reported, callback.received_ms)
        return self._ended(reported, callback.received_ms)

    def sender_of(self, address: str) -> Sender | None:
        """Return the number that calls, where its rate is set."""
        return rated(self._settings.sender_to(address), self._settings, None)

    async def check(self) -> Sequence[Finding]:
        """Ask about the account (`tocsin.ports.self_check.SelfCheck`)."""
        return await self._account.check()

    async def close(self) -> None:
        """The client is not its own."""

    def _form(self, message: Message, sender: str, spoken: str) -> Iterator[tuple[str, str]]:
        yield "To", message.address
        yield "From", sender
        yield "Twiml", spoken
        yield "Timeout", str(self._settings.ring_ms // 1_000)
        if self._settings.machine_detection:
            yield "MachineDetection", "Enable"
        attempt = str(message.attempt)
        status = self._account.callback_url(message.reference, _STATUS, attempt=attempt)
        if status is not None:
            # Twilio itself does not try again to tell, unless the fragment says so.
            yield "StatusCallback", f"{status}#rc=3&rp=all"
            yield "StatusCallbackEvent", "answered"
            yield "StatusCallbackEvent", "completed"

    def _ringing_ms(self, message: Message) -> int:
        """Return how long it may take until a callback says whether somebody took the call."""
        ringing_ms = self._settings.ring_ms + _MARGIN_MS
        if not self._settings.machine_detection:
            return ringing_ms
        # Then only the end of the call says whether it was a machine.
        spoken_ms = 2 * len(message.content.fields["text"]) * _CHARACTER_MS
        return ringing_ms + _DETECTION_MS + spoken_ms + 2 * self._settings.key_wait_ms

    def _speech(self, language: str) -> Speech:
        voice = self._settings.voices.get(language)
        return Speech(language, voice, self._settings.key_wait_ms)

    def _spoken(self, message: Message) -> str:
        language = language_for(message.locale, self._settings.language)
        speech, text = self._speech(language), message.content.fields["text"]
        if message.acknowledge:
            action = self._account.callback_url(message.reference, _KEY, language=language)
            if action is not None:
                return speech.asked(text, action)
        return speech.told(text)

    def _pressed(self, reported: Reported, at_ms: int) -> Reading:
        reference = reported.reference
        language = reported.query.get("language", self._settings.language)
        speech = self._speech(language)
        if reference is None:
            return Reading(response=_twiml(hung_up()))
        if reported.fields.get("Digits") == KEY:
            state = ReceiptState.ACKNOWLEDGED
            receipt = Receipt(reference, state, state.value, at_ms, detail=KEY)
            return Reading([receipt], response=_twiml(speech.thanked()))
        action = self._account.callback_url(reference, _LAST_KEY, language=language)
        if action is None or reported.query["kind"] == _LAST_KEY:
            return Reading(response=_twiml(speech.ended()))
        return Reading(response=_twiml(speech.asked_again(action)))

    def _ended(self, reported: Reported, at_ms: int) -> Reading:
        """Read how a call goes; one that was taken by a person was delivered, heard or not."""
        status, reference = reported.need("CallStatus"), reported.reference
        if reference is None:
            return Reading()
        taken = status == "in-progress" and not self._settings.machine_detection
        if taken or status == "completed":
            if not reported.fields.get("AnsweredBy", "").startswith((_MACHINE, "fax")):
                state = ReceiptState.DELIVERED
                return Reading([Receipt(reference, state, state.value, at_ms)])
            status = _MACHINE
        code = f"sip_{reported.fields.get('SipResponseCode', '')}"
        if status == "failed" and code in self._replies.reports:
            status = code
        report = self._replies.reports.get(status)
        if report is None:
            return Reading()
        missed = report.reason in _MISSED
        state = ReceiptState.UNANSWERED if missed else ReceiptState.FAILED
        attempt = reported.number("attempt")
        dead = report.dead_address
        return Reading([Receipt(reference, state, report.reason, at_ms, dead, status, attempt)])


def build(settings: TwilioVoiceSettings, tools: ProviderTools) -> TwilioVoice:
    """Return the provider."""
    return TwilioVoice(settings, tools)


def _twiml(text: str) -> Response:
    return Response(200, "text/xml; charset=utf-8", text.encode())
