"""Meta's Cloud API, played: one number that sends, and people who read, press and write."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from tocsin.channels.chat.playing.simulating import OK, ChatSimulating, Posted, pressable
from tocsin.channels.chat.whatsapp.played_errors import CODES, status_of
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import Reply, Request
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial, Proof, Stage, Tell

TOKEN: Final = "EAAcanarytoken"
APP_SECRET: Final = "canary0app0secret0of0meta0000000"
VERIFY_TOKEN: Final = "canary-verify"
NUMBER_ID: Final = "106540352242922"

_VERSION: Final = re.compile(r"^/v\d\d\.0/")
_DIALLED: Final = {
    Dial.REFUSE: "131047",
    Dial.DEAD_ADDRESS: "131026",
    Dial.THROTTLE: "130429",
    Dial.FAIL: "131000",
}
_STATUSES: Final = {
    ReceiptState.DELIVERED: "delivered",
    ReceiptState.OPENED: "read",
    ReceiptState.FAILED: "failed",
}
_FAILED: Final = {
    "code": 131026,
    "title": "Message undeliverable",
    "message": "Message undeliverable",
    "error_data": {"details": "Message Undeliverable."},
}


class WhatsAppSimulator(ChatSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "whatsapp"
    channel = "chat"
    codes: Mapping[str, Dial] = CODES
    actions: Mapping[Action, ReceiptState] = {
        Action.DELIVER: ReceiptState.DELIVERED,
        Action.OPEN: ReceiptState.OPENED,
        Action.BOUNCE: ReceiptState.FAILED,
        Action.PRESS: ReceiptState.ACKNOWLEDGED,
    }
    speaks = frozenset({Action.REPLY})
    proof = Proof.SENDER

    def __init__(self) -> None:
        super().__init__()
        self.quality = "GREEN"
        """How people take what the number sends, as Meta rates it."""

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen for calls of one number."""
        port = await self._listen_for_http(stage)
        return {
            "api_url": f"http://127.0.0.1:{port}/v24.0/",
            "access_token": TOKEN,
            "phone_number_id": NUMBER_ID,
            "app_secret": APP_SECRET,
            "verify_token": VERIFY_TOKEN,
        }

    def address(self, n: int) -> str:
        """Return a phone number."""
        return f"+1202555{n % 10_000:04d}"

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return the webhook that reports it; Meta may tell of several at once."""
        if state is ReceiptState.ACKNOWLEDGED:
            value: dict[str, Any] = {"messages": [self._pressed(r, at_ms) for r in references]}
        else:
            value = {"statuses": [self._status(r, state, at_ms) for r in references]}
        callback = self.told(value, at_ms)
        if genuine:
            return callback
        forged = {**callback.headers, "x-hub-signature-256": "sha256=" + "0" * 64}
        return replace(callback, headers=forged)

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a genuine request with any body."""
        digest = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "x-hub-signature-256": f"sha256={digest}"}
        return Callback("POST", "/v1/callbacks/whatsapp", "", headers, body, at_ms)

    def told(self, value: Mapping[str, Any], at_ms: int) -> Callback:
        """Return the webhook of one change."""
        number = {"display_phone_number": "12025550100", "phone_number_id": NUMBER_ID}
        people = [*value.get("statuses", ()), *value.get("messages", ())]
        ids = dict.fromkeys(_who(each) for each in people)
        contacts = [{"profile": {"name": "Canary"}, **_contact(id)} for id in ids]
        whole = {"messaging_product": "whatsapp", "metadata": number, "contacts": contacts}
        change = {"field": "messages", "value": {**whole, **value}}
        body = {
            "object": "whatsapp_business_account",
            "entry": [{"id": "1", "changes": [change]}],
        }
        return self.signed(msgspec.json.encode(body), at_ms)

    async def act(self, deed: Deed, tell: Tell) -> str:
        """Read, press, or write something to the business, such as STOP."""
        if deed.action is not Action.REPLY:
            return await super().act(deed, tell)
        said = {
            **_written_by(self.message(deed.id).to),
            "id": "wamid.canary",
            "timestamp": str(deed.at_ms // 1_000),
            "type": "text",
            "text": {"body": deed.words},
        }
        await tell(self.told({"messages": [said]}, deed.at_ms))
        return ""

    def _status(self, reference: str, state: ReceiptState, at_ms: int) -> dict[str, Any]:
        posted = self.standing(reference)
        told: dict[str, Any] = {
            "id": posted.id,
            "status": _STATUSES[state],
            "timestamp": str(at_ms // 1_000),
            **_named(posted.place, "recipient_id", "recipient_user_id"),
            "biz_opaque_callback_data": reference,
        }
        if state is ReceiptState.FAILED:
            told["errors"] = [_FAILED]
        return told

    def _pressed(self, reference: str, at_ms: int) -> dict[str, Any]:
        posted = self.standing(reference)
        reply = {"type": "button_reply", "button_reply": {"id": reference, "title": "Acknowledge"}}
        template = posted.said.get("type") == "template"
        button = {"payload": reference, "text": "Acknowledge"}
        answer = {"button": button} if template else {"interactive": reply}
        return {
            **_written_by(posted.place),
            "id": "wamid.canary",
            "timestamp": str(at_ms // 1_000),
            "context": {"from": "12025550100", "id": posted.id},
            "type": "button" if template else "interactive",
            **answer,
        }

    def _about(self, request: Request) -> Reply:
        """Answer what is asked about the number: the fields that are named."""
        if not _is_known(request):
            return _error("190")
        known = {
            "id": NUMBER_ID,
            "display_phone_number": "+1 202-555-0100",
            "verified_name": "Canary",
            "quality_rating": self.quality,
        }
        named = request.query.get("fields", ",".join(known)).split(",")
        return Reply.json(200, {name: known[name] for name in ("id", *named) if name in known})

    async def _reply(self, request: Request) -> Reply | None:
        # The Graph API answers to each of its versions that has not ended.
        place = _VERSION.sub("", request.path)
        if (request.method, place) == ("GET", NUMBER_ID):
            return self._about(request)
        if place != f"{NUMBER_ID}/messages":
            return _error("33")
        said = request.fields()
        to, reference = (
            str(said.get("to") or said.get("recipient", "")),
            str(said.get("biz_opaque_callback_data", "")),
        )
        await self._arrived([reference])
        wrong = _wrong(request, said)
        deal = self._deal(to) if wrong is None else Deal(Dial.REFUSE, wrong)
        code = deal.code or _DIALLED.get(deal.dial, "accepted")
        await self._take(
            request, deal, reference=reference, to=to, content=_content(said), answer=code
        )
        if deal.lost:
            return None
        if deal.dial not in OK:
            return _error(code)
        id = f"wamid.canary{self._new_number()}"
        self._post(Posted(id, to, reference, said, to))
        known_by = "wa_id" if "to" in said else "user_id"
        contact = {"input": to, known_by: to.removeprefix("+")}
        made = {"id": id, "message_status": "accepted"}
        answer = {"messaging_product": "whatsapp", "contacts": [contact], "messages": [made]}
        return Reply.json(200, answer)


_WHO: Final = ("recipient_id", "recipient_user_id", "from", "from_user_id")


def _who(told: Mapping[str, Any]) -> str:
    return str(next((told[name] for name in _WHO if told.get(name)), ""))


def _contact(id: str) -> dict[str, str]:
    return _named(id, "wa_id", "user_id")


def _written_by(place: str) -> dict[str, str]:
    return _named(place, "from", "from_user_id")


def _named(place: str, number: str, user_id: str) -> dict[str, str]:
    """Name a person under these fields; who is written to by Meta's own id hides her number."""
    id = place.removeprefix("+")
    return {number: id, user_id: f"US.7{id}"} if id.isdigit() else {user_id: id}


def _is_known(request: Request) -> bool:
    return request.headers.get("authorization") == f"Bearer {TOKEN}"


def _wrong(request: Request, said: Mapping[str, Any]) -> str | None:
    if not _is_known(request):
        return "190"
    if said.get("messaging_product") != "whatsapp" or not (said.get("to") or said.get("recipient")):
        return "100"
    kind = said.get("type", "text")
    if kind == "template":
        return None if said["template"].get("name") else "132001"
    text = _text_of(said)
    most = 4_096 if kind == "text" else 1_024
    if not text:
        return "131008"
    return "131009" if len(text.encode("utf-16-le")) // 2 > most or _crowded(said) else None


def _crowded(said: Mapping[str, Any]) -> bool:
    buttons = _buttons(said)
    return len(buttons) > 3 or any(len(each["title"]) > 20 for each in buttons)


def _buttons(said: Mapping[str, Any]) -> list[dict[str, str]]:
    shown = (said.get("interactive") or {}).get("action", {}).get("buttons", ())
    return [each["reply"] for each in shown]


def _labels(said: Mapping[str, Any]) -> list[str]:
    """Return what stands on the buttons; a template's own say what Meta has approved, not we."""
    parts = (said.get("template") or {}).get("components", ())
    replies = [each.get("index", "") for each in parts if each.get("sub_type") == "quick_reply"]
    own = [each["title"] for each in _buttons(said)]
    return [*own, *(f"Quick reply {index}" for index in replies)]


def _text_of(said: Mapping[str, Any]) -> str:
    interactive = said.get("interactive") or {}
    places = (
        (said.get("text") or {}).get("body"),
        (said.get("image") or {}).get("caption"),
        interactive.get("body", {}).get("text"),
    )
    return next((text for text in places if text), "")


def _content(said: Mapping[str, Any]) -> dict[str, str]:
    template = said.get("template") or {}
    filled = [
        parameter.get("text", "")
        for part in template.get("components", ())
        if part.get("type") == "body"
        for parameter in part["parameters"]
    ]
    header = (said.get("interactive") or {}).get("header", {}).get("image", {})
    return {
        "text": _text_of(said) or " | ".join(filled),
        "template": template.get("name", ""),
        "image": (said.get("image") or header).get("link", ""),
        **pressable((label, "") for label in _labels(said)),
    }


def _error(code: str) -> Reply:
    fault = {"message": f"(#{code}) canary", "type": "OAuthException", "code": int(code)}
    return Reply.json(status_of(code), {"error": {**fault, "fbtrace_id": "canary"}})
