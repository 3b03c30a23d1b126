"""Twilio's Messages, played: it takes texts, reports on them, and remembers who said STOP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

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
from tocsin.domain.sms import segments
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial, Received, Stage, Tell

STOPPED: Final = "21610"
UNREACHABLE: Final = "30003"
_TEXT_MAX: Final = 1_600
_STATUSES: Final = {
    ReceiptState.DELIVERED: "delivered",
    ReceiptState.FAILED: "undelivered",
    ReceiptState.OPENED: "read",
}
_OPT_OUT: Final = {
    "STOP": "STOP",
    "STOPALL": "STOP",
    "UNSUBSCRIBE": "STOP",
    "CANCEL": "STOP",
    "END": "STOP",
    "QUIT": "STOP",
    "START": "START",
    "YES": "START",
    "UNSTOP": "START",
    "HELP": "HELP",
    "INFO": "HELP",
}
_SAID: Final = {
    "STOP": "You have been unsubscribed. Reply START to get messages again.",
    "START": "You will get messages again. Reply STOP to end them.",
    "HELP": "Reply STOP to get no more messages.",
}

ERRORS: Final[Errors] = {
    **COMMON,
    "21265": (400, Dial.REFUSE, "The 'To' number cannot be a short code"),
    "21266": (400, Dial.REFUSE, "'To' and 'From' cannot be the same"),
    "21401": (400, Dial.REFUSE, "Invalid sender"),
    "21407": (400, Dial.REFUSE, "This number type cannot send SMS"),
    "21408": (400, Dial.REFUSE, "Permission to send to this region is not enabled"),
    "21421": (400, Dial.REFUSE, "Phone number is invalid"),
    "21601": (400, Dial.REFUSE, "Not an SMS-capable number"),
    "21602": (400, Dial.REFUSE, "Message body is required"),
    "21603": (400, Dial.REFUSE, "A 'From' number is required"),
    "21604": (400, Dial.REFUSE, "A 'To' number is required"),
    "21605": (400, Dial.REFUSE, "Body is too long"),
    "21606": (400, Dial.REFUSE, "The 'From' number is not SMS-capable for this account"),
    "21607": (400, Dial.REFUSE, "The 'From' number is not of this account"),
    "21608": (400, Dial.REFUSE, "Trial accounts cannot send to unverified numbers"),
    "21609": (400, Dial.REFUSE, "Invalid StatusCallback"),
    "21610": (400, Dial.REFUSE, "Attempt to send to unsubscribed recipient"),
    "21611": (400, Dial.THROTTLE, "This 'From' number has exceeded its queue"),
    "21612": (400, Dial.REFUSE, "'To' is not reachable from this 'From'"),
    "21614": (400, Dial.DEAD_ADDRESS, "'To' is not a mobile number"),
    "21616": (400, Dial.REFUSE, "'From' matches several numbers"),
    "21617": (400, Dial.REFUSE, "The body exceeds 1600 characters"),
    "21618": (400, Dial.REFUSE, "The body cannot be sent"),
    "21619": (400, Dial.REFUSE, "A body or media is required"),
    "21620": (400, Dial.REFUSE, "Invalid media URL"),
    "21623": (400, Dial.REFUSE, "Too many media"),
    "21635": (400, Dial.DEAD_ADDRESS, "'To' cannot be a landline"),
    "21654": (400, Dial.REFUSE, "ContentSid is required"),
    "21656": (400, Dial.REFUSE, "Invalid ContentVariables"),
    "21659": (400, Dial.REFUSE, "'From' is not a Twilio number"),
    "21660": (400, Dial.REFUSE, "'From' belongs to another account"),
    "21661": (400, Dial.REFUSE, "'From' cannot send SMS"),
    "21701": (400, Dial.REFUSE, "No such messaging service"),
    "21703": (400, Dial.REFUSE, "No sender in the service for this 'To'"),
    "21704": (400, Dial.REFUSE, "The service has no senders"),
    "21705": (400, Dial.REFUSE, "Invalid messaging service SID"),
    "21730": (503, Dial.THROTTLE, "System under maintenance"),
    "30610": (400, Dial.THROTTLE, "Blocked by quiet hours"),
    "30640": (400, Dial.REFUSE, "Blocked as known litigator"),
}


class TwilioSimulator(TwilioPlayed):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "twilio"
    channel = "sms"
    resource = "Messages"
    sid_prefix = "SM"
    errors = ERRORS
    magic: Mapping[str, str] = {
        "+15005550001": "21211",
        "+15005550002": "21612",
        "+15005550003": "21408",
        "+15005550004": STOPPED,
        "+15005550009": "21614",
    }
    codes: Mapping[str, Dial] = {code: dial for code, (_, dial, _) in ERRORS.items()}
    actions: Mapping[Action, ReceiptState] = {
        Action.DELIVER: ReceiptState.DELIVERED,
        Action.BOUNCE: ReceiptState.FAILED,
    }
    speaks = frozenset({Action.REPLY})

    def __init__(self) -> None:
        super().__init__()
        self._stopped: set[str] = set()

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen; nobody has said STOP to what has only just begun to play."""
        self._stopped.clear()
        return await super().start(stage)

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return what is posted about a message that was taken."""
        message = self._newest(references)
        error = UNREACHABLE if state is ReceiptState.FAILED else None
        return self._status(message, _STATUSES[state], error, at_ms, genuine=genuine)

    async def act(self, deed: Deed, tell: Tell) -> str:
        """
        Let the phone write back, or the carrier report with the error that *words* name.

        Before that Twilio tells that the carrier has the message.
        """
        message = self.message(deed.id)
        if deed.action is Action.REPLY:
            return await self._answered(message, deed, tell)
        if deed.action in self.actions:
            await tell(self._status(message, "sent", None, deed.at_ms))
        if deed.action is Action.BOUNCE and deed.words:
            await tell(self._status(message, "undelivered", deed.words, deed.at_ms))
            return ""
        return await super().act(deed, tell)

    def _status(
        self,
        message: Received,
        status: str,
        error: str | None,
        at_ms: int,
        *,
        genuine: bool = True,
    ) -> Callback:
        sid, form = self.sid_of(message), form_of(message)
        fields = {
            "AccountSid": ACCOUNT_SID,
            "ApiVersion": API_VERSION,
            "From": form.get("From", ""),
            "MessageSid": sid,
            "MessageStatus": status,
            "SmsSid": sid,
            "SmsStatus": status,
            "To": message.to,
        }
        if error is not None:
            fields["ErrorCode"] = error
        return posted(self.url_of(message), fields, at_ms, genuine=genuine)

    async def _answered(self, message: Received, deed: Deed, tell: Tell) -> str:
        kind = _OPT_OUT.get(deed.words.strip().upper())
        if kind in {"STOP", "START"}:
            change = self._stopped.add if kind == "STOP" else self._stopped.discard
            change(message.to)
        fields = {
            "AccountSid": ACCOUNT_SID,
            "ApiVersion": API_VERSION,
            "Body": deed.words,
            "From": message.to,
            "MessageSid": f"SM{deed.at_ms:032x}",
            "NumMedia": "0",
            "NumSegments": str(segments(deed.words).parts),
            "SmsStatus": "received",
            "To": form_of(message).get("From", ""),
        }
        if kind is not None:
            fields["OptOutType"] = kind
        # A number's own webhook is the provider's URL, without what a single message adds to it.
        url = self.url_of(message).partition("?")[0]
        await tell(posted(url, fields, deed.at_ms))
        return _SAID.get(kind or "", "")

    def _invalid(self, fields: Fields) -> str | None:
        text = fields.get("Body", "")
        checks = (
            (not fields.get("To"), "21604"),
            (not (fields.get("From") or fields.get("MessagingServiceSid")), "21603"),
            (not text, "21602"),
            (len(text) > _TEXT_MAX, "21617"),
            (fields.get("To") == fields.get("From"), "21266"),
            (fields.get("To") in self._stopped, STOPPED),
        )
        return next((code for wrong, code in checks if wrong), None)

    def _content(self, fields: Fields) -> Mapping[str, str]:
        text = fields.get("Body", "")
        counted = segments(text)
        return {
            "from": fields.get("From") or fields.get("MessagingServiceSid", ""),
            "text": text,
            "encoding": counted.encoding,
            "segments": str(counted.parts),
        }

    def _document(self, fields: Fields) -> Mapping[str, object]:
        service = fields.get("MessagingServiceSid")
        return {
            "body": fields.get("Body"),
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "messaging_service_sid": service,
            "num_media": "0",
            "num_segments": str(segments(fields.get("Body", "")).parts),
            "status": "queued" if service is None else "accepted",
        }
