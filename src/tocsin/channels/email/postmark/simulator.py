"""Postmark, played: letters one by one and in batches, and its webhooks."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from tocsin.channels.email.playing.simulating import OF_A_LETTER, MailSimulating
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import Reply, Request
from tocsin.domain.json_check import UNREADABLE
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Dial, Proof, Stage

TOKEN: Final = "token-canary-0f3e-postmark"
PASSWORD: Final = "password-canary-77d0"
SENDER: Final = "hello@sandbox.test"

_SERVER: Final = {
    "ID": 1,
    "Name": "Sandbox",
    "ApiTokens": [TOKEN],
    "Color": "blue",
    "SmtpApiActivated": True,
    "RawEmailEnabled": False,
    "DeliveryType": "Sandbox",
    "ServerLink": "https://postmarkapp.com/servers/1/streams",
    "InboundAddress": "canary@inbound.postmarkapp.com",
    "InboundHash": "canary",
    "InboundSpamThreshold": 0,
    "PostFirstOpenOnly": False,
    "TrackOpens": False,
    "TrackLinks": "None",
    "IncludeBounceContentInHook": False,
    "EnableSmtpApiErrorHooks": False,
}
_INACTIVE: Final = (
    "You tried to send to recipient(s) that have been marked as inactive. "
    "Found inactive addresses: {to}. Inactive recipients are ones that have generated "
    "a hard bounce, a spam complaint, or a manual suppression."
)
# By code: the status of a call that it refuses, its words, and what it amounts to.
_ERRORS: Final[Mapping[str, tuple[int, str, Dial]]] = {
    "10": (401, "The Server Token you provided in the header was invalid.", Dial.REFUSE),
    "100": (422, "Maintenance", Dial.THROTTLE),
    "300": (422, "Provide either email TextBody or HtmlBody or both.", Dial.REFUSE),
    "300/to": (422, "Invalid 'To' address: 'canary'.", Dial.DEAD_ADDRESS),
    "400": (422, "Sender Signature not found.", Dial.REFUSE),
    "401": (422, "Sender signature not confirmed.", Dial.REFUSE),
    "402": (422, "Invalid JSON", Dial.REFUSE),
    "403": (422, "Incompatible JSON", Dial.REFUSE),
    "405": (422, "Not allowed to send. You have run out of credits.", Dial.REFUSE),
    "406": (
        422,
        _INACTIVE,
        Dial.DEAD_ADDRESS,
    ),
    "409": (422, "JSON required", Dial.REFUSE),
    "410": (422, "Too many batch messages", Dial.REFUSE),
    "411": (422, "Forbidden attachment type", Dial.REFUSE),
    "412": (422, "Account is pending approval", Dial.REFUSE),
    "413": (422, "Account may not send", Dial.REFUSE),
    "429": (429, "Rate limit exceeded", Dial.THROTTLE),
    "1226": (422, "The message stream was not found.", Dial.REFUSE),
    "404": (404, "Not found", Dial.REFUSE),
    "415": (415, "Unsupported media type", Dial.REFUSE),
    "500": (500, "Internal server error", Dial.FAIL),
    "503": (503, "Service unavailable", Dial.FAIL),
}
_BY_DIAL: Final = {
    Dial.REFUSE: "411",
    Dial.DEAD_ADDRESS: "406",
    Dial.THROTTLE: "429",
    Dial.FAIL: "500",
}
_EVENTS: Final[Mapping[ReceiptState, tuple[str, Mapping[str, object]]]] = {
    ReceiptState.DELIVERED: ("DeliveredAt", {"RecordType": "Delivery", "Details": "250 ok"}),
    ReceiptState.FAILED: (
        "BouncedAt",
        {"RecordType": "Bounce", "Type": "HardBounce", "TypeCode": 1, "Inactive": True},
    ),
    ReceiptState.COMPLAINED: (
        "BouncedAt",
        {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "TypeCode": 100_001},
    ),
    ReceiptState.OPENED: ("ReceivedAt", {"RecordType": "Open", "FirstOpen": True}),
    ReceiptState.CLICKED: (
        "ReceivedAt",
        {"RecordType": "Click", "OriginalLink": "https://example.test/"},
    ),
    ReceiptState.UNSUBSCRIBED: (
        "ChangedAt",
        {
            "RecordType": "SubscriptionChange",
            "SuppressSending": True,
            "SuppressionReason": "ManualSuppression",
            "Origin": "Recipient",
        },
    ),
}


class PostmarkSimulator(MailSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "postmark"
    proof = Proof.SENDER
    codes: Mapping[str, Dial] = {code: dial for code, (_, _, dial) in _ERRORS.items()}
    pauses_s = (60, 300, 600, 600, 600, 900, 1_800, 3_600, 7_200, 21_600)
    """As Postmark documents them."""

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen."""
        return {
            "url": f"http://127.0.0.1:{await self._listen_for_http(stage)}",
            "token": TOKEN,
            "from_address": SENDER,
            "callback_password": PASSWORD,
        }

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return a webhook about the first of *references*."""
        when, event = _EVENTS[state]
        body = {
            **event,
            when: _stamp(at_ms),
            "MessageID": str(UUID(int=at_ms)),
            "Recipient": "somebody@example.test",
            "MessageStream": "outbound",
            "Metadata": {"tocsin": references[0]},
        }
        callback = self.signed(msgspec.json.encode(body), at_ms)
        if genuine:
            return callback
        return replace(callback, headers={**callback.headers, "authorization": _basic("another")})

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a webhook that says anything."""
        headers = {"content-type": "application/json", "authorization": _basic(PASSWORD)}
        return Callback("POST", f"/v1/callbacks/{self.provider}", "", headers, body, at_ms)

    async def _reply(self, request: Request) -> Reply | None:
        if (request.method, request.path) == ("GET", "/server") and _knows(request):
            return Reply.json(200, _SERVER)
        wrong, letters = _read(request)
        if wrong is not None:
            return _error(wrong)
        await self._arrived(map(_reference, letters))
        deals = self._deal_together([letter["To"] for letter in letters])
        alone = request.path == "/email"
        whole = next((deal for deal in deals if alone or deal.dial not in OF_A_LETTER), None)
        if whole is None:
            done = [await self._put(*each) for each in zip(letters, deals, strict=True)]
            await self._wait(Deal(Dial.ACCEPT))
            return Reply.json(200, done)
        done = []
        if whole.dial is not Dial.DROP:
            done = [await self._put(letter, whole) for letter in letters]
        await self._wait(whole)
        if whole.lost:
            return None
        code = _code(whole)
        if code is not None:
            return _error(code, letters[0]["To"])
        return Reply.json(200, done[0] if alone else done)

    async def _put(self, letter: dict[str, Any], deal: Deal) -> dict[str, object]:
        """Keep a letter, and return what is said of it."""
        code = _code(deal)
        id = await self._keep(
            reference=_reference(letter),
            to=letter["To"],
            content=_content(letter),
            raw=msgspec.json.encode(letter),
            answer="" if deal.lost else code or "0",
            taken=deal.taken,
            trace=_header(letter, "Traceparent"),
        )
        if code is not None:
            return _said(code, letter["To"])
        number = UUID(int=int(id.rpartition("-")[2]))
        return {
            "To": letter["To"],
            "SubmittedAt": _stamp(self._stage.now_ms()),
            "MessageID": str(number),
            "ErrorCode": 0,
            "Message": "OK",
        }


def _read(request: Request) -> tuple[str | None, list[dict[str, Any]]]:
    if not _knows(request):
        return "10", []
    if request.method != "POST" or request.path not in {"/email", "/email/batch"}:
        return "404", []
    if not request.headers.get("content-type", "").startswith("application/json"):
        return "415", []
    try:
        said = request.json()
    except UNREADABLE:
        return "402", []
    letters = [said] if request.path == "/email" else said
    if not isinstance(letters, list) or not all(isinstance(each, dict) for each in letters):
        return "403", []
    if len(letters) > 500:
        return "410", []
    return next(filter(None, map(_wrong, letters)), None), letters


def _knows(request: Request) -> bool:
    return request.headers.get("x-postmark-server-token") == TOKEN


def _wrong(letter: dict[str, Any]) -> str | None:
    if "@" not in str(letter.get("From", "")):
        return "400"
    if "@" not in str(letter.get("To", "")):
        return "300/to"
    return None if letter.get("TextBody") or letter.get("HtmlBody") else "300"


def _code(deal: Deal) -> str | None:
    return deal.code or _BY_DIAL.get(deal.dial)


def _error(code: str, to: str = "") -> Reply:
    return Reply.json(_ERRORS[code][0], _said(code, to))


def _said(code: str, to: str) -> dict[str, object]:
    words = _ERRORS[code][1].format(to=to)
    return {"ErrorCode": int(code.partition("/")[0]), "Message": words}


def _stamp(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%dT%H:%M:%S}.9070259Z"


def _reference(letter: dict[str, Any]) -> str:
    return str(letter.get("Metadata", {}).get("tocsin", ""))


def _header(letter: dict[str, Any], name: str) -> str | None:
    return next((each["Value"] for each in letter.get("Headers", ()) if each["Name"] == name), None)


def _content(letter: dict[str, Any]) -> dict[str, str]:
    names = {"subject": "Subject", "text": "TextBody", "html": "HtmlBody"}
    return {name: str(letter[theirs]) for name, theirs in names.items() if letter.get(theirs)}


def _basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"postmark:{password}".encode()).decode()
