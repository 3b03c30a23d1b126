"""
Twilio's Calls, played: a phone that rings, is taken or not, and executes TwiML.

Taking a call, or pressing a key in it, makes the requests that Twilio would: the key goes to the
``action`` of the gather that is being said, and the TwiML that answers it is what is heard next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

from tocsin.channels.twilio_played import (
    ACCOUNT_SID,
    API_VERSION,
    COMMON,
    Errors,
    Fields,
    TwilioPlayed,
    form_of,
    posted,
)
from tocsin.errors import Conflict
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial, Received, Tell

_TWIML_MAX: Final = 4_000
_ROUNDS_MAX: Final = 10
_CALL_S: Final = "12"
_ENDINGS: Final = {
    ReceiptState.DELIVERED: "completed",
    ReceiptState.UNANSWERED: "no-answer",
    ReceiptState.FAILED: "603",
}
ERRORS: Final[Errors] = {
    **COMMON,
    "10004": (429, Dial.THROTTLE, "Call concurrency limit exceeded"),
    "13223": (400, Dial.DEAD_ADDRESS, "Invalid phone number format"),
    "13224": (400, Dial.DEAD_ADDRESS, "Invalid phone number"),
    "13225": (400, Dial.REFUSE, "Forbidden phone number"),
    "13227": (400, Dial.REFUSE, "Geo permissions are not enabled"),
    "21201": (400, Dial.REFUSE, "No 'To' number is specified"),
    "21202": (400, Dial.REFUSE, "'To' number is a premium number"),
    "21203": (400, Dial.REFUSE, "International calling not enabled"),
    "21205": (400, Dial.REFUSE, "Invalid URL"),
    "21207": (400, Dial.REFUSE, "Invalid machine detection"),
    "21208": (400, Dial.REFUSE, "Invalid Timeout"),
    "21209": (400, Dial.REFUSE, "Invalid Method"),
    "21210": (400, Dial.REFUSE, "'From' is not verified"),
    "21213": (400, Dial.REFUSE, "'From' is required"),
    "21214": (400, Dial.REFUSE, "'To' cannot be reached"),
    "21215": (400, Dial.REFUSE, "Geo permissions do not permit the call"),
    "21216": (400, Dial.REFUSE, "Account not allowed to call"),
    "21223": (400, Dial.REFUSE, "Invalid StatusCallbackEvent"),
    "21265": (400, Dial.REFUSE, "'To' cannot be a short code"),
    "21266": (400, Dial.REFUSE, "'To' and 'From' cannot be the same"),
    "21268": (400, Dial.REFUSE, "'To' is an information service"),
}


_TAKEN: Final = "in-progress"
_PROGRESS: Final = (("initiated", "initiated"), ("ringing", "ringing"), ("answered", _TAKEN))
"""Events that may be asked for, and what is then said of the call, in their order."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What TwiML says, and where the key goes that it asks for."""

    text: str
    language: str
    action: str | None = None


class TwilioVoiceSimulator(TwilioPlayed):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "twilio_voice"
    channel = "voice"
    resource = "Calls"
    sid_prefix = "CA"
    errors = ERRORS
    magic: Mapping[str, str] = {
        "+15005550001": "21217",
        "+15005550002": "21214",
        "+15005550003": "21215",
        "+15005550004": "21216",
    }
    codes: Mapping[str, Dial] = {code: dial for code, (_, dial, _) in ERRORS.items()}
    actions: Mapping[Action, ReceiptState] = {
        Action.DELIVER: ReceiptState.DELIVERED,
        Action.BOUNCE: ReceiptState.UNANSWERED,
        Action.DECLINE: ReceiptState.UNANSWERED,
    }
    speaks = frozenset({Action.PRESS})

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return what is posted when the call has ended."""
        message = self._newest(references)
        return self._ended(message, _ENDINGS[state], at_ms, genuine=genuine)

    async def act(self, deed: Deed, tell: Tell) -> str:
        """
        Take the call, press a key in it, decline it, or let it end as *words* say.

        That is one of ``busy``, ``no-answer``, ``failed``, ``canceled``, ``machine``, or the SIP
        code of a call that failed.
        """
        message = self.message(deed.id)
        if deed.action is Action.PRESS:
            return await self._pressed(message, deed, tell)
        if deed.action is Action.DELIVER:
            number = await self._rings(message, deed, tell, taken=True)
            heard = heard_in(form_of(message).get("Twiml", ""))
            said = await self._gathered(message, heard, "", deed.at_ms, tell)
            await tell(self._ended(message, "completed", deed.at_ms, number))
            return " ".join((heard.text, *said))
        if deed.action in self.actions:
            ending = "busy" if deed.action is Action.DECLINE else deed.words or "no-answer"
            number = await self._rings(message, deed, tell, taken=False)
            await tell(self._ended(message, ending, deed.at_ms, number))
            return ""
        raise self._impossible()

    async def _pressed(self, message: Received, deed: Deed, tell: Tell) -> str:
        heard = heard_in(form_of(message).get("Twiml", ""))
        if heard.action is None:
            raise Conflict("this call asks for no key", code="action_not_possible")
        number = await self._rings(message, deed, tell, taken=True)
        said = await self._gathered(message, heard, deed.words or "1", deed.at_ms, tell)
        await tell(self._ended(message, "completed", deed.at_ms, number))
        return " ".join(said)

    async def _rings(self, message: Received, deed: Deed, tell: Tell, *, taken: bool) -> int:
        """Tell of the call what was asked for before it ends; return the number of what is next."""
        wanted = _events_of(message)
        told = [status for event, status in _PROGRESS if event in wanted]
        if not taken and _TAKEN in told:
            told.remove(_TAKEN)
        for number, status in enumerate(told):
            await tell(self._ended(message, status, deed.at_ms, number))
        return len(told)

    async def _gathered(
        self, message: Received, heard: Heard, digits: str, at_ms: int, tell: Tell
    ) -> list[str]:
        """Post the key, then nothing more, for as long as the answers ask for another."""
        said: list[str] = []
        for _ in range(_ROUNDS_MAX):
            if heard.action is None:
                break
            fields = {**self._fields(message, "in-progress"), "msg": "Gather End", "Digits": digits}
            answer = await tell(posted(heard.action, fields, at_ms))
            heard = heard_in(answer.body.decode())
            said.append(heard.text)
            digits = ""
        return said

    def _ended(
        self, message: Received, ending: str, at_ms: int, number: int = 0, *, genuine: bool = True
    ) -> Callback:
        status = "completed" if ending == "machine" else ending
        extra = {"CallDuration": _CALL_S, "Duration": "1"} if status == "completed" else {}
        if ending == "machine":
            extra["AnsweredBy"] = "machine_start"
        elif form_of(message).get("MachineDetection") and status == "completed":
            extra["AnsweredBy"] = "human"
        if ending.isdigit():
            status, extra = "failed", {"SipResponseCode": ending}
        fields = {
            **self._fields(message, status),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(number),
            **extra,
        }
        return posted(self.url_of(message), fields, at_ms, genuine=genuine)

    def _fields(self, message: Received, status: str) -> dict[str, str]:
        form = form_of(message)
        return {
            "AccountSid": ACCOUNT_SID,
            "ApiVersion": API_VERSION,
            "CallSid": self.sid_of(message),
            "CallStatus": status,
            "Called": message.to,
            "Caller": form.get("From", ""),
            "Direction": "outbound-api",
            "From": form.get("From", ""),
            "To": message.to,
        }

    def _invalid(self, fields: Fields) -> str | None:
        twiml = fields.get("Twiml", "")
        checks = (
            (not fields.get("To"), "21201"),
            (not fields.get("From"), "21213"),
            (not twiml or len(twiml) > _TWIML_MAX or not _is_twiml(twiml), "21205"),
            (not fields.get("Timeout", "60").isdigit(), "21208"),
            (fields.get("To") == fields.get("From"), "21266"),
        )
        return next((code for wrong, code in checks if wrong), None)

    def _content(self, fields: Fields) -> Mapping[str, str]:
        twiml = fields.get("Twiml", "")
        heard = heard_in(twiml) if _is_twiml(twiml) else Heard("", "")
        return {
            "from": fields.get("From", ""),
            "text": heard.text,
            "language": heard.language,
            "asks_for_key": "no" if heard.action is None else "yes",
        }

    def _document(self, fields: Fields) -> Mapping[str, object]:
        return {
            "answered_by": None,
            "direction": "outbound-api",
            "duration": None,
            "status": "queued",
        }


def _events_of(message: Received) -> list[str]:
    """Return what was asked to be told of beside the end."""
    form = parse_qsl(message.raw.partition(b"\r\n\r\n")[2].decode())
    return [value for name, value in form if name == "StatusCallbackEvent"]


def heard_in(twiml: str) -> Heard:
    """Execute TwiML up to the key that it asks for, as `Heard`."""
    said: list[str] = []
    language, action = "", None
    for verb in ET.fromstring(twiml):  # noqa: S314  # Tocsin's own, and without entities
        gather = verb.tag == "Gather"
        for each in verb if gather else [verb]:
            if each.tag == "Say":
                said += [each.text or ""] * int(each.get("loop", "1"))
                language = each.get("language", "")
        if gather:
            action = verb.get("action")
            break
        if verb.tag == "Hangup":
            break
    return Heard(" ".join(said), language, action)


def _is_twiml(text: str) -> bool:
    try:
        return ET.fromstring(text).tag == "Response"  # noqa: S314  # as above
    except ET.ParseError:
        return False
