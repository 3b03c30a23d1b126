"""SendGrid, played: its call for sending mail, and its signed event webhook."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tocsin.channels.email.playing.simulating import MailSimulating
from tocsin.channels.email.sendgrid.played import BY_DIAL, ERRORS, Played
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import Reply, Request
from tocsin.domain.json_check import UNREADABLE
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial, Stage, Tell

KEY: Final = "SG.key-canary-1b7f"
SENDER: Final = "hello@sandbox.test"
QUOTA: Final = 600
QUOTA_MS: Final = 60_000

_PATH: Final = "/v3/mail/send"
_SIGNING: Final = ec.derive_private_key(
    int.from_bytes(b"canary of the event webhook", "big"), ec.SECP256R1()
)
_EVENTS: Final[Mapping[ReceiptState, Mapping[str, object]]] = {
    ReceiptState.DELIVERED: {"event": "delivered", "response": "250 2.0.0 OK"},
    ReceiptState.FAILED: {
        "event": "bounce",
        "type": "bounce",
        "status": "5.1.1",
        "reason": "550 5.1.1 The email account that you tried to reach does not exist",
    },
    ReceiptState.OPENED: {"event": "open", "sg_machine_open": False, "useragent": "Mail/1.0"},
    ReceiptState.CLICKED: {"event": "click", "url": "https://example.test/", "useragent": "M/1"},
    ReceiptState.COMPLAINED: {"event": "spamreport"},
    ReceiptState.UNSUBSCRIBED: {"event": "unsubscribe"},
}


_LISTED: Final[Mapping[Action, str]] = {
    Action.BOUNCE: "Bounced Address",
    Action.COMPLAIN: "Spam Reporting Address",
    Action.DECLINE: "Unsubscribed Address",
}
"""Why who did this is on a list."""


class SendGridSimulator(MailSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "sendgrid"
    codes: Mapping[str, Dial] = {code: played.dial for code, played in ERRORS.items()}
    pauses_s = (60, 300, 600, 1_800, 3_600, 7_200, *[10_800] * 6)
    """SendGrid says that they grow, and that it goes on for 24 hours."""

    def __init__(self) -> None:
        super().__init__()
        self.suppressed: dict[str, str] = {}
        """By address, why SendGrid drops what it has taken for it."""

    async def act(self, deed: Deed, tell: Tell) -> str:
        """Report it; of a letter to somebody on a list of those who get none, that it was dropped."""
        message = self.message(deed.id)
        why = self.suppressed.get(message.to) if deed.action is Action.DELIVER else None
        if why is None:
            if deed.action in _LISTED:
                self.suppressed[message.to] = _LISTED[deed.action]
            return await super().act(deed, tell)
        dropped = {"event": "dropped", "reason": why, "status": "5.0.0"}
        told = self.repeating.around(tell)
        await told(self._posted([message.reference], dropped, deed.at_ms))
        return ""

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen."""
        port = await self._listen_for_http(stage)
        public = _SIGNING.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {
            "url": f"http://127.0.0.1:{port}",
            "key": KEY,
            "from_address": SENDER,
            "webhook_key": base64.b64encode(public).decode(),
        }

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return a post of the event webhook, an event for each of *references*."""
        callback = self._posted(references, _EVENTS[state], at_ms)
        if genuine:
            return callback
        other = self.signed(b"[]", at_ms)
        return replace(callback, headers=other.headers)

    def _posted(
        self, references: Sequence[str], said: Mapping[str, object], at_ms: int
    ) -> Callback:
        events = [
            {
                "email": "somebody@example.test",
                "timestamp": at_ms // 1_000,
                "smtp-id": f"<{reference}@sandbox.test>",
                "sg_event_id": f"{said['event']}-{reference}",
                "sg_message_id": f"{reference}.recvd-0",
                "tocsin": reference,
                **said,
            }
            for reference in references
        ]
        return self.signed(msgspec.json.encode(events) + b"\r\n", at_ms)

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a post with any body."""
        stamp = str(at_ms // 1_000)
        signature = _SIGNING.sign(stamp.encode() + body, ec.ECDSA(SHA256()))
        headers = {
            "content-type": "application/json",
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": stamp,
        }
        return Callback("POST", f"/v1/callbacks/{self.provider}", "", headers, body, at_ms)

    async def _reply(self, request: Request) -> Reply | None:
        if (request.method, request.path) == ("GET", "/v3/scopes") and _knows(request):
            return Reply.json(200, {"scopes": ["mail.send", "mail.batch.read"]})
        said = _read(request)
        if isinstance(said, Played):
            return self._refusal([(0, said)])
        await self._arrived(_reference(each) for each in said["personalizations"])
        deals = self._deal_together([_address(each) for each in said["personalizations"]])
        refused = [
            (n, ERRORS[deal.code] if deal.code is not None else BY_DIAL[deal.dial])
            for n, deal in enumerate(deals)
            if deal.code is not None or deal.dial in BY_DIAL
        ]
        whole = next((deal for deal in deals if deal.dial is Dial.STALL or deal.lost), None)
        if whole is None or whole.dial is not Dial.DROP:
            await self._keep_all(said, deals, "" if whole is not None and whole.lost else None)
        await self._wait(whole or Deal(Dial.ACCEPT))
        if whole is not None and whole.lost:
            return None
        if refused:
            return self._refusal(refused)
        sandbox = said.get("mail_settings", {}).get("sandbox_mode", {}).get("enable") is True
        id = ("x-message-id", f"mail-{_reference(said['personalizations'][0])}"[:64])
        return Reply(200 if sandbox else 202, headers=(id, *self._quota(QUOTA - 1)))

    async def _keep_all(
        self, said: dict[str, Any], deals: Sequence[Deal], answer: str | None
    ) -> None:
        """Keep each letter; one that is refused holds back those of the same call."""
        taken = all(deal.taken for deal in deals)
        for personal, deal in zip(said["personalizations"], deals, strict=True):
            code = deal.code or (deal.dial if deal.dial in BY_DIAL else "202")
            await self._keep(
                reference=_reference(personal),
                to=_address(personal),
                content=_content(said, personal),
                raw=msgspec.json.encode({**said, "personalizations": [personal]}),
                answer=str(code) if answer is None else answer,
                taken=taken,
                trace=personal.get("headers", {}).get("Traceparent"),
            )

    def _refusal(self, refused: Sequence[tuple[int, Played]]) -> Reply:
        """Answer with the first of what is wrong, and all that is wrong in the same way."""
        _, first = refused[0]
        if first.status == 413:
            # Its front refuses these, and that speaks HTML.
            page = b"<html><head><title>413 Request Entity Too Large</title></head></html>"
            return Reply(413, page, (("content-type", "text/html"),))
        errors = [
            {
                "message": played.message,
                "field": None if played.field is None else played.field.format(n=n),
                "help": None,
            }
            for n, played in refused
            if played.status == first.status
        ]
        left = 0 if first.status == 429 else QUOTA - 1
        return Reply.json(first.status, {"errors": errors}, *self._quota(left))

    def _quota(self, left: int) -> tuple[tuple[str, str], ...]:
        reset_s = (self._stage.real_ms() + QUOTA_MS) // 1_000
        return (
            ("x-ratelimit-limit", str(QUOTA)),
            ("x-ratelimit-remaining", str(left)),
            ("x-ratelimit-reset", str(reset_s)),
        )


def _read(request: Request) -> dict[str, Any] | Played:
    """Return the body, or what is wrong with the request, as SendGrid would find it."""
    if request.path != _PATH:
        return ERRORS["404"]
    if request.method != "POST":
        return ERRORS["405"]
    if not _knows(request):
        return ERRORS["the provided authorization grant is invalid, expired, or revoked"]
    if not request.headers.get("content-type", "").startswith("application/json"):
        return ERRORS["415"]
    try:
        said = msgspec.json.decode(request.body)
    except UNREADABLE:
        return ERRORS["400"]
    if not isinstance(said, dict):
        return ERRORS["400"]
    return _wrong(said) or said


def _knows(request: Request) -> bool:
    return request.headers.get("authorization") == f"Bearer {KEY}"


def _wrong(said: dict[str, Any]) -> Played | None:
    personal = said.get("personalizations")
    if not isinstance(personal, list) or not 0 < len(personal) <= 1_000:
        return ERRORS["personalizations"]
    if not all("@" in _address(each) for each in personal):
        return ERRORS["personalizations.to"]
    if "@" not in str(said.get("from", {}).get("email", "")):
        return ERRORS["from"]
    if not said.get("subject"):
        return ERRORS["subject"]
    kinds = [part.get("type") for part in said.get("content", ()) if part.get("value")]
    if not kinds or kinds != sorted(kinds, key=("text/plain", "text/html").index):
        return ERRORS["content"]
    return None


def _address(personal: dict[str, Any]) -> str:
    to = personal.get("to") or [{}]
    return str(to[0].get("email", ""))


def _reference(personal: dict[str, Any]) -> str:
    return str(personal.get("custom_args", {}).get("tocsin", ""))


def _content(said: dict[str, Any], personal: dict[str, Any]) -> dict[str, str]:
    """Return what the reader sees, with what is her own filled in."""
    content = {"subject": str(said["subject"])}
    for part in said["content"]:
        text = str(part["value"])
        for tag, own in personal.get("substitutions", {}).items():
            text = text.replace(tag, own)
        content["html" if part["type"] == "text/html" else "text"] = text
    return content
