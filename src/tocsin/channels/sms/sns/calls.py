"""The requests of both APIs, and what their answers say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from tocsin.channels.sms.sns.settings import SnsSettings
from tocsin.domain.json_check import UNREADABLE
from tocsin.ports.message import Message
from tocsin.ports.transport import Answer

REFERENCE: Final = "tocsin"
"""What our reference is called among the attributes, and in the context of events."""
TTL_MIN_S: Final = 5
TTL_MAX_S: Final = 259_200

_VERSION: Final = "2010-03-31"
_TARGET: Final = "PinpointSMSVoiceV2.SendTextMessage"
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/x-amz-json-1.0"
_IN_SANDBOX: Final = re.compile(rb"<IsInSandbox>(true|false)</IsInSandbox>")
_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9_.]{1,64})</Code>")
_MESSAGE: Final = re.compile(rb"<Message>([^<]{0,500})</Message>")
_ID: Final = re.compile(rb"<MessageId>([0-9A-Za-z-]{1,64})</MessageId>")
_SHOWN_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}\Z", re.ASCII)
_SHOWN_CODE: Final = re.compile(r"[A-Za-z0-9_/]{1,96}\Z", re.ASCII)
_NUMBERS: Final = (b"phonenumber", b"phone number")
_DESTINATION: Final = "DestinationPhoneNumber"


class Request(NamedTuple):
    """What is sent: ``target`` is the header by which a JSON API knows the operation."""

    body: bytes
    content_type: str
    target: str | None = None


class Said(NamedTuple):
    """What an answer says: its error's code, or the id of what was taken."""

    code: str | None = None
    id: str | None = None


class _Field(msgspec.Struct, frozen=True, rename="pascal"):
    name: str = ""


class _Problem(msgspec.Struct, frozen=True):
    type: str = msgspec.field(name="__type", default="")
    reason: str = msgspec.field(name="Reason", default="")
    fields: tuple[_Field, ...] = msgspec.field(name="Fields", default=())


class _Taken(msgspec.Struct, frozen=True, rename="pascal"):
    message_id: str = ""


class _Attribute(msgspec.Struct, frozen=True, rename="pascal"):
    name: str = ""
    value: str = ""


class _Attributes(msgspec.Struct, frozen=True, rename="pascal"):
    account_attributes: tuple[_Attribute, ...]


def publish(message: Message, sender: str | None, settings: SnsSettings) -> Request:
    """Return the request of SNS: a query's fields as a form."""
    fields = {
        "Action": "Publish",
        "Version": _VERSION,
        "PhoneNumber": message.address,
        "Message": message.content.fields["text"],
    }
    for n, (name, kind, value) in enumerate(_attributes(message, sender, settings), start=1):
        entry = f"MessageAttributes.entry.{n}"
        fields[f"{entry}.Name"] = name
        fields[f"{entry}.Value.DataType"] = kind
        fields[f"{entry}.Value.StringValue"] = value
    return Request(urlencode(fields).encode(), _FORM)


def _attributes(
    message: Message, sender: str | None, settings: SnsSettings
) -> Iterator[tuple[str, str, str]]:
    yield "AWS.SNS.SMS.SMSType", "String", settings.message_type.capitalize()
    if sender is not None:
        number = sender.removeprefix("+").isdigit()
        name = "AWS.MM.SMS.OriginationNumber" if number else "AWS.SNS.SMS.SenderID"
        yield name, "String", sender
    if settings.max_price is not None:
        yield "AWS.SNS.SMS.MaxPrice", "Number", f"{settings.max_price:.2f}"
    yield REFERENCE, "String", message.reference


def send_text(message: Message, sender: str | None, settings: SnsSettings, now_ms: int) -> Request:
    """Return the request of End User Messaging, as JSON."""
    said: dict[str, object] = {
        "DestinationPhoneNumber": message.address,
        "MessageBody": message.content.fields["text"],
        "MessageType": settings.message_type.upper(),
        "Context": {REFERENCE: message.reference},
    }
    if sender is not None:
        said["OriginationIdentity"] = sender
    if settings.configuration_set is not None:
        said["ConfigurationSetName"] = settings.configuration_set
    if settings.max_price is not None:
        said["MaxPrice"] = f"{settings.max_price:.2f}"
    if message.expires_ms is not None:
        left_s = (message.expires_ms - now_ms) // 1_000
        said["TimeToLive"] = min(max(left_s, TTL_MIN_S), TTL_MAX_S)
    return Request(msgspec.json.encode(said), _JSON, _TARGET)


def ask_publish() -> Request:
    """Return what asks SNS whether the account may text anybody, or only who was verified."""
    fields = {"Action": "GetSMSSandboxAccountStatus", "Version": _VERSION}
    return Request(urlencode(fields).encode(), _FORM)


def ask_text() -> Request:
    """Return what asks End User Messaging the same."""
    return Request(b"{}", _JSON, "PinpointSMSVoiceV2.DescribeAccountAttributes")


def is_in_sandbox(answer: Answer) -> bool | None:
    """Return what either answers; None for what cannot be read."""
    found = _IN_SANDBOX.search(answer.body)
    if found is not None:
        return found[1] == b"true"
    try:
        said = msgspec.json.decode(answer.body, type=_Attributes).account_attributes
    except UNREADABLE:
        return None
    tier = next((each.value for each in said if each.name == "ACCOUNT_TIER"), None)
    return None if tier is None else tier == "SANDBOX"


def read_publish(answer: Answer) -> Said:
    """Read the XML of SNS; of an error about a parameter also whether it is the number."""
    if 200 <= answer.status < 300:
        found = _ID.search(answer.body)
        return Said(id=None if found is None else found[1].decode())
    code = _CODE.search(answer.body)
    if code is None:
        return Said("")
    words = _MESSAGE.search(answer.body)
    about = b"" if words is None else words[1].lower()
    number = any(each in about for each in _NUMBERS)
    name = code[1].decode()
    return Said(f"{name}/number" if number and name in _PARAMETERS else name)


_PARAMETERS: Final = frozenset({"InvalidParameter", "ParameterValueInvalid", "ValidationException"})


def read_text(answer: Answer) -> Said:
    """Read the JSON of End User Messaging: the error, and the reason that it gives."""
    try:
        if 200 <= answer.status < 300:
            id = msgspec.json.decode(answer.body, type=_Taken).message_id
            return Said(id=id if _SHOWN_ID.match(id) else None)
        problem = msgspec.json.decode(answer.body, type=_Problem)
    except UNREADABLE:
        return Said() if 200 <= answer.status < 300 else Said("")
    code = problem.type.rpartition("#")[2]
    if problem.reason:
        code += f"/{problem.reason}"
    if any(field.name == _DESTINATION for field in problem.fields):
        code += "/number"
    return Said(code if _SHOWN_CODE.match(code) else "")
