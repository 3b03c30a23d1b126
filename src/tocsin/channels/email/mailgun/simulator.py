"""Mailgun, played: its call for sending mail, and its signed webhooks."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

import msgspec

from tocsin.channels.email.playing.simulating import MailSimulating
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import Reply, Request
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Dial, Proof, Stage

DOMAIN: Final = "sandbox.test"
KEY: Final = "key-canary-6a17"
WEBHOOK_KEY: Final = "webhook-canary-90c4"
THROTTLE_MS: Final = 60_000

# The second is what Mailgun's own clients call still.
_ABOUT: Final = frozenset({f"/v4/domains/{DOMAIN}", f"/v3/domains/{DOMAIN}"})
_FIELD: Final = re.compile(r"%recipient\.([\w-]+)%")
# By code: status, words, what it amounts to.
_ERRORS: Final[Mapping[str, tuple[int, str, Dial]]] = {
    "address": (
        400,
        "to parameter is not a valid address. please check documentation",
        Dial.DEAD_ADDRESS,
    ),
    "sender": (400, "from parameter is not a valid address", Dial.REFUSE),
    "sandbox": (
        403,
        "Domain is not allowed to send: Sandbox subdomains are for test purposes only.",
        Dial.REFUSE,
    ),
    "unverified": (403, "The domain is unverified and requires DNS configuration.", Dial.REFUSE),
    "activate": (403, "Please activate your Mailgun account.", Dial.REFUSE),
    "400": (400, "Need at least one of 'text' or 'html' parameters specified", Dial.REFUSE),
    "401": (401, "Forbidden", Dial.REFUSE),
    "402": (402, "Request failed", Dial.REFUSE),
    "403": (403, "Forbidden", Dial.REFUSE),
    "404": (404, "Domain not found", Dial.REFUSE),
    "413": (413, "Message size is too large", Dial.REFUSE),
    "429": (429, "Request limit exceeded, try again after {when}", Dial.THROTTLE),
    "500": (500, "Internal server error", Dial.FAIL),
    "502": (502, "Bad gateway", Dial.FAIL),
    "503": (503, "Service unavailable", Dial.FAIL),
    "504": (504, "Gateway timeout", Dial.FAIL),
}
_BY_DIAL: Final = {
    Dial.REFUSE: "400",
    Dial.DEAD_ADDRESS: "address",
    Dial.THROTTLE: "429",
    Dial.FAIL: "500",
}
_EVENTS: Final[Mapping[ReceiptState, Mapping[str, object]]] = {
    ReceiptState.DELIVERED: {"event": "delivered", "delivery-status": {"code": 250}},
    ReceiptState.FAILED: {
        "event": "failed",
        "severity": "permanent",
        "reason": "bounce",
        "delivery-status": {"code": 550, "enhanced-code": "5.1.1", "description": "no such user"},
    },
    ReceiptState.OPENED: {"event": "opened", "client-info": {"bot": ""}},
    ReceiptState.CLICKED: {"event": "clicked", "url": "https://example.test/"},
    ReceiptState.UNSUBSCRIBED: {"event": "unsubscribed"},
    ReceiptState.COMPLAINED: {"event": "complained"},
}

Form = list[tuple[str, str]]


class MailgunSimulator(MailSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "mailgun"
    proof = Proof.MOMENT
    codes: Mapping[str, Dial] = {code: dial for code, (_, _, dial) in _ERRORS.items()}
    pauses_s = (600, 600, 900, 1_800, 3_600, 7_200, 14_400)
    """As Mailgun documents them."""

    def __init__(self) -> None:
        super().__init__()
        self._again: dict[str, Deal] = {}
        """What is dealt to a reader who was refused among several, until she comes alone."""

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen."""
        return {
            "url": f"http://127.0.0.1:{await self._listen_for_http(stage)}",
            "domain": DOMAIN,
            "key": KEY,
            "webhook_key": WEBHOOK_KEY,
            "from_address": f"hello@{DOMAIN}",
        }

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return a webhook about the first of *references*."""
        event = {
            **_EVENTS[state],
            "timestamp": at_ms / 1_000,
            "id": f"{state}-{references[0]}",
            "recipient": "somebody@example.test",
            "user-variables": {"tocsin": references[0]},
        }
        key = WEBHOOK_KEY if genuine else "another"
        return self._signed(msgspec.json.encode(event), at_ms, key)

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a webhook that says anything: as a text where it is no JSON."""
        return self._signed(msgspec.json.encode(body.decode("latin-1")), at_ms, WEBHOOK_KEY)

    def _signed(self, event: bytes, at_ms: int, key: str) -> Callback:
        stamp = str(at_ms // 1_000)
        token = hashlib.sha256(event).hexdigest()[:50]
        signature = hmac.new(key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
        body = msgspec.json.encode(
            {
                "signature": {"timestamp": stamp, "token": token, "signature": signature},
                "event-data": msgspec.Raw(event),
            }
        )
        headers = {"content-type": "application/json"}
        return Callback("POST", f"/v1/callbacks/{self.provider}", "", headers, body, at_ms)

    async def _reply(self, request: Request) -> Reply | None:
        if request.method == "GET" and request.path in _ABOUT and _knows(request):
            return Reply.json(200, {"domain": {"name": DOMAIN, "state": "active"}})
        form = _form(request)
        readers = [value for name, value in form if name == "to"]
        wrong = _wrong(request, form, readers)
        if wrong is not None:
            return self._error(wrong)
        letters = [_letter(form, to) for to in readers]
        await self._arrived(letter["reference"] for letter in letters)
        deals = self._deals(readers)
        # One that is refused is the answer for all.
        whole = next((deal for deal in deals if deal.dial is not Dial.ACCEPT), deals[0])
        code = whole.code or _BY_DIAL.get(whole.dial)
        id = ""
        if whole.dial is not Dial.DROP:
            for letter in letters:
                taken = whole.taken
                answer = "" if whole.lost else code or "200"
                id = await self._keep(**letter, raw=request.body, answer=answer, taken=taken)
        await self._wait(whole)
        if whole.lost:
            return None
        if code is not None:
            return self._error(code)
        return Reply.json(200, {"id": f"<{id}@{DOMAIN}>", "message": "Queued. Thank you."})

    def _deals(self, readers: Sequence[str]) -> Sequence[Deal]:
        fresh = iter(self._deal_together([to for to in readers if to not in self._again]))
        deals = [self._again[to] if to in self._again else next(fresh) for to in readers]
        for to, deal in zip(readers, deals, strict=True):
            if len(readers) == 1:
                self._again.pop(to, None)
            elif deal.dial in {Dial.REFUSE, Dial.DEAD_ADDRESS}:
                self._again[to] = deal
        return deals

    def _error(self, code: str) -> Reply:
        status, words, _ = _ERRORS[code]
        again = datetime.fromtimestamp((self._stage.real_ms() + THROTTLE_MS) / 1_000, UTC)
        words = words.format(when=format_datetime(again, usegmt=True))
        return Reply.json(status, {"message": words})


def _knows(request: Request) -> bool:
    login = "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()
    return request.headers.get("authorization") == login


def _wrong(request: Request, form: Form, readers: Sequence[str]) -> str | None:
    if not _knows(request):
        return "401"
    if request.method != "POST" or request.path != f"/v3/{DOMAIN}/messages":
        return "404"
    said = dict(form)
    if not readers or not all("@" in reader for reader in readers):
        return "address"
    if "@" not in said.get("from", ""):
        return "sender"
    return None if said.get("text") or said.get("html") else "400"


def _form(request: Request) -> Form:
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        return request.form()
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + request.body, policy=email.policy.HTTP)
    return [
        (str(part.get_param("name", header="content-disposition")), _value(part))
        for part in parts.iter_parts()
        if part.get_filename() is None
    ]


def _value(part: Any) -> str:
    return bytes(part.get_payload(decode=True)).decode()


def _letter(form: Form, to: str) -> dict[str, Any]:
    """Return what its reader sees, with what is her own filled in."""
    variables = msgspec.json.decode(dict(form).get("recipient-variables", "{}")).get(to, {})
    said = {
        name: _FIELD.sub(lambda found: str(variables.get(found[1], found[0])), value)
        for name, value in form
    }
    return {
        "reference": said.get("v:tocsin", ""),
        "to": to,
        "content": {name: said[name] for name in ("subject", "text", "html") if said.get(name)},
        "trace": said.get("h:Traceparent") or None,
    }
