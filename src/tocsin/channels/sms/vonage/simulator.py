"""
Vonage's SMS API, played: it answers 200 whatever happens, with a status for each part.

A text of several parts that is throttled is taken in part, as may happen there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import HttpSimulating, Reply, Request
from tocsin.domain.sms import segments
from tocsin.errors import NotFound
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial, Received, Stage, Tell

API_KEY: Final = "a1b2c3d4"
API_SECRET: Final = "secret-canary-70aa"
SIGNATURE_SECRET: Final = "signature-canary-33f1"
ABSENT: Final = "2"

ERRORS: Final[Mapping[str, tuple[Dial, str]]] = {
    "1": (Dial.THROTTLE, "Throughput Rate Exceeded"),
    "2": (Dial.REFUSE, "Missing text"),
    "2-to": (Dial.REFUSE, "Missing to param"),
    "3": (Dial.REFUSE, "Invalid value for param: text"),
    "3-to": (Dial.DEAD_ADDRESS, "Invalid value for param: to"),
    "4": (Dial.REFUSE, "Bad Credentials"),
    "5": (Dial.FAIL, "Internal Error"),
    "6": (Dial.REFUSE, "Unroutable message - rejected"),
    "7": (Dial.REFUSE, "Number barred"),
    "8": (Dial.REFUSE, "Partner account barred"),
    "9": (Dial.REFUSE, "Partner quota violation"),
    "10": (Dial.THROTTLE, "Too many existing binds"),
    "11": (Dial.REFUSE, "Account not enabled for HTTP"),
    "12": (Dial.REFUSE, "Message too long"),
    "13": (Dial.FAIL, "Communication failed"),
    "14": (Dial.REFUSE, "Invalid Signature"),
    "15": (Dial.REFUSE, "Illegal Sender Address - rejected"),
    "19": (Dial.REFUSE, "Facility not allowed"),
    "20": (Dial.REFUSE, "Invalid message class"),
    "22": (Dial.REFUSE, "Invalid network code"),
    "23": (Dial.REFUSE, "Invalid callback url"),
    "29": (Dial.REFUSE, "Non White-listed Destination - rejected"),
    "32": (Dial.REFUSE, "Signature and API secret disallowed"),
    "33": (Dial.DEAD_ADDRESS, "Number de-activated"),
}
_BY_DIAL: Final = {
    Dial.REFUSE: "3",
    Dial.DEAD_ADDRESS: "33",
    Dial.THROTTLE: "1",
    Dial.FAIL: "5",
}
_CALLBACK_MAX: Final = 100


class VonageSimulator(HttpSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "vonage"
    channel = "sms"
    codes: Mapping[str, Dial] = {code: dial for code, (dial, _) in ERRORS.items()}
    actions: Mapping[Action, ReceiptState] = {
        Action.DELIVER: ReceiptState.DELIVERED,
        Action.BOUNCE: ReceiptState.FAILED,
    }
    speaks = frozenset({Action.REPLY})

    def __init__(self) -> None:
        super().__init__()
        self.signs_by = "sha256"
        """As the account's settings say: the hash of an HMAC, or ``md5hash`` for the plain digest."""
        self.reports_by = "POST"
        """Likewise: a form, a query (``GET``), or JSON (``POST-JSON``)."""

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen as the API."""
        port = await self._listen_for_http(stage)
        return {
            "api_url": f"http://127.0.0.1:{port}",
            "api_key": API_KEY,
            "api_secret": API_SECRET,
            "signature_secret": SIGNATURE_SECRET,
            "sender": "TOCSIN",
        }

    def address(self, n: int) -> str:
        """Return a number."""
        return f"+4477009{n:05d}"

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Return what is posted about a message that was taken."""
        (reference,) = references
        for message in self.messages(to=reference, limit=1):
            secret = SIGNATURE_SECRET if genuine else "another"
            return self._report(message, _receipt(message, state, ABSENT, at_ms), at_ms, secret)
        raise NotFound("no such message was taken")

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a request with *body*, signed in its query."""
        for message in self.messages(limit=1):
            fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
            stamp = {"timestamp": str(at_ms // 1_000)}
            sig = _sig({**fields, **stamp}, SIGNATURE_SECRET, self.signs_by)
            query = {**stamp, "sig": sig}
            where = urlsplit(_form_of(message)["callback"])
            return Callback("POST", where.path, urlencode(query), _FORM, body, at_ms)
        raise NotFound("no message has said yet where callbacks go")

    async def act(self, deed: Deed, tell: Tell) -> str:
        """Let the phone write back, or the carrier report the error that *words* name."""
        message = self.message(deed.id)
        if deed.action is Action.REPLY:
            fields = {
                "msisdn": message.to.removeprefix("+"),
                "to": _form_of(message).get("from", ""),
                "messageId": f"0B{deed.at_ms:014X}",
                "text": deed.words,
                "type": "text",
                "keyword": deed.words.strip().upper().partition(" ")[0],
                "message-timestamp": _shown(deed.at_ms, "%Y-%m-%d %H:%M:%S"),
            }
            await tell(self._report(message, fields, deed.at_ms, SIGNATURE_SECRET))
            return ""
        if deed.action is Action.BOUNCE and deed.words:
            failed = _receipt(message, ReceiptState.FAILED, deed.words, deed.at_ms)
            await tell(self._report(message, failed, deed.at_ms, SIGNATURE_SECRET))
            return ""
        return await super().act(deed, tell)

    def _report(
        self, message: Received, fields: Mapping[str, str], at_ms: int, secret: str
    ) -> Callback:
        url = _form_of(message).get("callback", "")
        if not url:
            raise NotFound("this message did not say where its status goes")
        said = {**fields, "timestamp": str(at_ms // 1_000), "nonce": f"{at_ms:x}"}
        said["sig"] = _sig(said, secret, self.signs_by)
        path, form = urlsplit(url).path, urlencode(said)
        if self.reports_by == "GET":
            return Callback("GET", path, form, {"user-agent": _FORM["user-agent"]}, b"", at_ms)
        if self.reports_by == "POST-JSON":
            headers = {**_FORM, "content-type": "application/json; charset=utf-8"}
            return Callback("POST", path, "", headers, msgspec.json.encode(said), at_ms)
        return Callback("POST", path, "", _FORM, form.encode(), at_ms)

    async def _reply(self, request: Request) -> Reply | None:
        if (request.method, request.path) == ("GET", "/account/get-balance"):
            if _unproven(request, request.query, self.signs_by) is not None:
                return Reply.json(401, {"error-code": "401", "error-code-label": "auth failed"})
            return Reply.json(200, {"value": 3.14, "autoReload": False})
        fields = dict(request.form())
        reference, to = fields.get("client-ref", ""), f"+{fields.get('to', '')}"
        await self._arrived([reference])
        if request.path != "/sms/json":
            return Reply(404)
        wrong = _wrong(request, fields, self.signs_by)
        deal = self._deal(to) if wrong is None else Deal(Dial.REFUSE, wrong)
        code = deal.code or _BY_DIAL.get(deal.dial)
        number = self._mailbox.next_number
        counted = segments(fields.get("text", ""))
        if deal.dial is not Dial.DROP:
            await self._keep(
                reference=reference,
                to=to,
                content={
                    "from": fields.get("from", ""),
                    "text": fields.get("text", ""),
                    "encoding": counted.encoding,
                    "segments": str(counted.parts),
                },
                raw=request.raw,
                answer="" if deal.lost else code or "0",
                taken=deal.taken,
                trace=request.headers.get("traceparent"),
            )
        await self._wait(deal)
        return None if deal.lost else _answer(fields, number, counted.parts, code)


_FORM: Final = {
    "content-type": "application/x-www-form-urlencoded",
    "user-agent": "Nexmo/MessagingHUB/v1.0",
}


def _wrong(request: Request, fields: Mapping[str, str], signs_by: str) -> str | None:
    if (wrong := _unproven(request, fields, signs_by)) is not None:
        return wrong
    checks = (
        (not fields.get("to"), "2-to"),
        (not fields.get("to", "").isdigit(), "3-to"),
        (not fields.get("from") or not fields.get("text"), "2"),
        (len(fields.get("client-ref", "")) > _CALLBACK_MAX, "3"),
        (len(fields.get("callback", "")) > _CALLBACK_MAX, "23"),
    )
    return next((code for is_wrong, code in checks if is_wrong), None)


def _unproven(request: Request, fields: Mapping[str, str], signs_by: str) -> str | None:
    """Return the status of a request that does not prove whose it is, by one of three ways."""
    login = base64.b64encode(f"{API_KEY}:{API_SECRET}".encode()).decode()
    if request.headers.get("authorization", "") == f"Basic {login}":
        return None
    if fields.get("api_key") != API_KEY:
        return "4"
    if "sig" not in fields:
        return None if fields.get("api_secret") == API_SECRET else "4"
    if "api_secret" in fields:
        return "32"
    return None if fields["sig"] == _sig(fields, SIGNATURE_SECRET, signs_by) else "14"


def _answer(fields: Mapping[str, str], number: int, parts: int, code: str | None) -> Reply:
    to = fields.get("to", "")
    messages: list[dict[str, str]] = []
    for part in range(parts):
        if code is not None and not (code == "1" and parts > 1 and part == 0):
            messages.append({"status": code.partition("-")[0], "error-text": ERRORS[code][1]})
            continue
        messages.append(
            {
                "to": to,
                "message-id": f"0A{number:010X}{part:04X}",
                "status": "0",
                "remaining-balance": "3.14",
                "message-price": "0.03",
                "network": "12345",
                "client-ref": fields.get("client-ref", ""),
            }
        )
    return Reply.json(200, {"message-count": str(len(messages)), "messages": messages})


def _receipt(message: Received, state: ReceiptState, error: str, at_ms: int) -> dict[str, str]:
    delivered = state is ReceiptState.DELIVERED
    number = int(message.id.rpartition("-")[2])
    return {
        "msisdn": message.to.removeprefix("+"),
        "to": _form_of(message).get("from", ""),
        "network-code": "12345",
        "messageId": f"0A{number:010X}0000",
        "price": "0.03",
        "status": "delivered" if delivered else "failed",
        "scts": _shown(at_ms, "%y%m%d%H%M"),
        "err-code": "0" if delivered else error,
        "client-ref": message.reference,
        "message-timestamp": _shown(at_ms, "%Y-%m-%d %H:%M:%S"),
    }


def _shown(at_ms: int, form: str) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime(form)


def _form_of(message: Received) -> dict[str, str]:
    body = message.raw.partition(b"\r\n\r\n")[2]
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


def _sig(fields: Mapping[str, str], secret: str, signs_by: str) -> str:
    text = ""
    for name in sorted(fields.keys() - {"sig"}):
        value = fields[name].replace("&", "_").replace("=", "_")
        text += f"&{name}={value}"
    if signs_by == "md5hash":
        return hashlib.md5((text + secret).encode()).hexdigest()  # noqa: S324  # Vonage's own
    return hmac.new(secret.encode(), text.encode(), signs_by).hexdigest()
