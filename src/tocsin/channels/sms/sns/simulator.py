"""Amazon's two APIs for texts, played: SNS answers XML, End User Messaging JSON and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from tocsin.channels.aws_notices_played import PlayedNotices
from tocsin.channels.aws_played import KEY_ID, REGION, SECRET, aws_fault
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import HttpSimulating, Reply, Request
from tocsin.channels.sms.sns.played import (
    EVENTS,
    PUBLISH_API,
    PUBLISH_ERRORS,
    TEXT_API,
    TEXT_ERRORS,
    Api,
)
from tocsin.domain.json_check import UNREADABLE
from tocsin.domain.sms import segments
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial, Proof, Received, Stage, Tell

TOPIC: Final = f"arn:aws:sns:{REGION}:123456789012:sandbox-sms"
SENDER: Final = "TOCSIN"

_TEXT_MAX: Final = 1_600
_TARGET: Final = "PinpointSMSVoiceV2.SendTextMessage"
_ABOUT: Final = "PinpointSMSVoiceV2.DescribeAccountAttributes"


class SnsSimulator(HttpSimulating):
    """`tocsin.ports.simulator.Simulator`; its settings lead to End User Messaging."""

    provider = "sns"
    channel = "sms"
    proof = Proof.FIELDS
    codes: Mapping[str, Dial] = {
        code: dial for code, (_, dial) in {**PUBLISH_ERRORS, **TEXT_ERRORS}.items()
    }
    actions: Mapping[Action, ReceiptState] = {
        Action.DELIVER: ReceiptState.DELIVERED,
        Action.BOUNCE: ReceiptState.FAILED,
    }
    speaks = frozenset({Action.REPLY})

    def __init__(self) -> None:
        super().__init__()
        self.notices = PlayedNotices(TOPIC)
        self.sandboxed = False
        """Whether Amazon lets the account text only numbers that were verified."""
        self.may_ask = True
        """Whether the keys' policy lets them ask about the account."""

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen as both."""
        self.notices.url = url = f"http://127.0.0.1:{await self._listen_for_http(stage)}"
        return {
            "api": "sms-voice",
            "region": REGION,
            "access_key_id": KEY_ID,
            "secret_access_key": SECRET,
            "sender": SENDER,
            "configuration_set": "sandbox",
            "topics": [TOPIC],
            "url": url,
            "notices_url": url,
        }

    def address(self, n: int) -> str:
        """Return a number."""
        return f"+4915210{n:05d}"

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return the message of SNS that brings the event about the first of *references*."""
        callback = self.signed(_event(references[0], EVENTS[state], at_ms), at_ms)
        if genuine:
            return callback
        changed = callback.body.replace(b"sandbox-sms", b"sandb0x-sms")
        return replace(callback, body=changed)

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a message of SNS that says anything."""
        return self.notices.envelope(self.provider, body.decode("latin-1"), at_ms)

    async def act(self, deed: Deed, tell: Tell) -> str:
        """Let the phone write back, or Amazon report the event that *words* name."""
        message = self.message(deed.id)
        if deed.action is Action.REPLY:
            await tell(self.signed(_written_back(message, deed), deed.at_ms))
            return ""
        if deed.action is Action.BOUNCE and deed.words:
            event = _event(message.reference, deed.words, deed.at_ms)
            await tell(self.signed(event, deed.at_ms))
            return ""
        return await super().act(deed, tell)

    async def _reply(self, request: Request) -> Reply | None:
        noticed = self.notices.reply(request)
        if noticed is not None:
            return noticed
        target = request.headers.get("x-amz-target")
        if target is None:
            return await self._published(request)
        wrong = aws_fault(request, "sms-voice")
        if wrong is None and target == _ABOUT:
            if not self.may_ask:
                return _text_error("AccessDeniedException")
            tier = "SANDBOX" if self.sandboxed else "PRODUCTION"
            return Reply.json(200, {"AccountAttributes": [{"Name": "ACCOUNT_TIER", "Value": tier}]})
        if wrong is not None or target != _TARGET:
            return _text_error(wrong or "ValidationException")
        try:
            said = msgspec.json.decode(request.body, type=dict[str, Any])
        except UNREADABLE:
            return _text_error("ValidationException")
        reference = str(said.get("Context", {}).get("tocsin", ""))
        to, text = str(said.get("DestinationPhoneNumber", "")), str(said.get("MessageBody", ""))
        sender = str(said.get("OriginationIdentity", ""))
        code = _invalid(to, text, "ValidationException", "ValidationException/INVALID_PARAMETER")
        deal, id = await self._taken(request, reference, (to, text, sender), code, TEXT_API)
        if deal.lost:
            return None
        return Reply.json(200, {"MessageId": id}) if deal.code is None else _text_error(deal.code)

    async def _published(self, request: Request) -> Reply | None:
        wrong = aws_fault(request, "sns")
        fields = dict(request.form())
        if wrong is None and fields.get("Action") == "GetSMSSandboxAccountStatus":
            if not self.may_ask:
                return _publish_error("AuthorizationError")
            inside = f"<IsInSandbox>{str(self.sandboxed).lower()}</IsInSandbox>"
            return _answered("GetSMSSandboxAccountStatus", inside)
        if wrong is not None or fields.get("Action") != "Publish":
            return _publish_error(wrong or "InvalidParameter")
        attributes = _attributes(fields)
        sender = attributes.get("AWS.SNS.SMS.SenderID") or attributes.get(
            "AWS.MM.SMS.OriginationNumber", ""
        )
        to, text = fields.get("PhoneNumber", ""), fields.get("Message", "")
        code = _invalid(to, text, "InvalidParameter", "InvalidParameter")
        reference = attributes.get("tocsin", "")
        deal, id = await self._taken(request, reference, (to, text, sender), code, PUBLISH_API)
        if deal.lost:
            return None
        if deal.code is not None:
            return _publish_error(deal.code)
        return _answered("Publish", f"<MessageId>{id}</MessageId>")

    async def _taken(
        self,
        request: Request,
        reference: str,
        said: tuple[str, str, str],
        wrong: str | None,
        api: Api,
    ) -> tuple[Deal, str]:
        """Keep a message of either API; returns what happens to it, and its id at Amazon."""
        to, text, sender = said
        await self._arrived([reference])
        deal = self._deal(to) if wrong is None else Deal(Dial.REFUSE, wrong)
        # An error of the other API's is said in this one's words.
        code = deal.code if deal.code in api.errors else api.by_dial.get(deal.dial)
        deal = Deal(deal.dial, code)
        counted = segments(text)
        id = f"{self._mailbox.next_number:08x}-0000-4000-8000-000000000000"
        if deal.dial is not Dial.DROP:
            await self._keep(
                reference=reference,
                to=to,
                content={
                    "from": sender,
                    "text": text,
                    "encoding": counted.encoding,
                    "segments": str(counted.parts),
                },
                raw=request.raw,
                answer="" if deal.lost else deal.code or "200",
                taken=deal.taken,
                trace=request.headers.get("traceparent"),
            )
        await self._wait(deal)
        return deal, id


def _invalid(to: str, text: str, wrong: str, number: str) -> str | None:
    if not to.startswith("+") or not to[1:].isdigit():
        return f"{number}/number"
    return wrong if not text or len(text) > _TEXT_MAX else None


def _text_error(code: str) -> Reply:
    status = TEXT_ERRORS[code][0]
    name, *rest = code.split("/")
    problem: dict[str, object] = {"__type": name, "Message": f"{name} was raised"}
    if "number" in rest:
        problem["Fields"] = [{"Name": "DestinationPhoneNumber", "Message": "is not valid"}]
    if rest and rest[0] != "number":
        problem["Reason"] = rest[0]
    return Reply.json(status, problem, ("x-amzn-errortype", name))


def _publish_error(code: str) -> Reply:
    status = PUBLISH_ERRORS[code][0]
    name, _, about = code.partition("/")
    words = "Invalid parameter: PhoneNumber" if about else f"{name} was raised"
    who = "Receiver" if status >= 500 else "Sender"
    inner = f"<Error><Type>{who}</Type><Code>{name}</Code><Message>{words}</Message></Error>"
    return _xml(status, f"<ErrorResponse {_SPACE}>{inner}{_REQUEST_ID}</ErrorResponse>")


def _answered(action: str, result: str) -> Reply:
    inner = f"<{action}Result>{result}</{action}Result>"
    meta = f"<ResponseMetadata>{_REQUEST_ID}</ResponseMetadata>"
    return _xml(200, f"<{action}Response {_SPACE}>{inner}{meta}</{action}Response>")


_SPACE: Final = 'xmlns="http://sns.amazonaws.com/doc/2010-03-31/"'
_REQUEST_ID: Final = "<RequestId>00000000-0000-4000-8000-000000000001</RequestId>"


def _xml(status: int, text: str) -> Reply:
    return Reply(status, text.encode(), (("content-type", "text/xml"),))


def _attributes(fields: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in fields.items():
        entry, dot, last = name.rpartition(".")
        if dot and last == "Name" and entry.startswith("MessageAttributes.entry."):
            found[value] = fields.get(f"{entry}.Value.StringValue", "")
    return found


def _event(reference: str, kind: str, at_ms: int) -> bytes:
    return msgspec.json.encode(
        {
            "eventType": kind,
            "eventVersion": "1.0",
            "eventTimestamp": at_ms,
            "isFinal": True,
            "messageId": "00000000-0000-4000-8000-000000000002",
            "messageRequestTimestamp": at_ms,
            "messageStatus": kind.removeprefix("TEXT_"),
            "context": {"tocsin": reference},
            "totalMessageParts": 1,
        }
    )


def _written_back(message: Received, deed: Deed) -> bytes:
    return msgspec.json.encode(
        {
            "originationNumber": message.to,
            "destinationNumber": message.content.get("from", ""),
            "messageKeyword": "KEYWORD",
            "messageBody": deed.words,
            "inboundMessageId": f"{deed.at_ms:032x}",
            "previousPublishedMessageId": message.id,
        }
    )
