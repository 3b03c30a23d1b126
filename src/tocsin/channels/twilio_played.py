"""
What the two simulators of Twilio share: its accounts, SIDs, errors and signatures.

A message is taken by a form and reported by a form, signed over the URL that it named itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import HttpSimulating, Reply, Request
from tocsin.errors import NotFound
from tocsin.ports.receipts import Callback
from tocsin.ports.simulator import Dial, Received, Stage

ACCOUNT_SID: Final = "AC" + "0" * 28 + "beef"
AUTH_TOKEN: Final = "auth-canary-9d41c0de"
SENDER: Final = "+15005550006"
API_VERSION: Final = "2010-04-01"

Errors = Mapping[str, tuple[int, Dial, str]]
"""By code: the status, what it amounts to, and what Twilio says."""
Fields = Mapping[str, str]

COMMON: Final[Errors] = {
    "10001": (403, Dial.REFUSE, "Account is not active"),
    "10002": (403, Dial.REFUSE, "Trial accounts cannot do this"),
    "20001": (400, Dial.REFUSE, "Unknown parameter"),
    "20002": (400, Dial.REFUSE, "Invalid filter"),
    "20003": (401, Dial.REFUSE, "Authenticate"),
    "20004": (405, Dial.REFUSE, "Method not allowed"),
    "20005": (403, Dial.REFUSE, "Account is suspended or closed"),
    "20006": (403, Dial.REFUSE, "Access denied"),
    "20008": (403, Dial.REFUSE, "Not with test credentials"),
    "20404": (404, Dial.REFUSE, "The requested resource was not found"),
    "20409": (409, Dial.THROTTLE, "Conflict"),
    "20422": (400, Dial.REFUSE, "Invalid parameter"),
    "20429": (429, Dial.THROTTLE, "Too many concurrent requests"),
    "20500": (500, Dial.FAIL, "Internal server error"),
    "20503": (503, Dial.FAIL, "Service unavailable"),
    "20504": (504, Dial.FAIL, "Gateway timeout"),
    "21211": (400, Dial.DEAD_ADDRESS, "The 'To' number is not a valid phone number"),
    "21212": (400, Dial.REFUSE, "The 'From' number is not a valid phone number"),
    "21217": (400, Dial.DEAD_ADDRESS, "Phone number does not appear to be valid"),
    "21219": (400, Dial.REFUSE, "The 'To' phone number is not verified"),
}
"""What both the texts and the calls of an account may be refused with."""

_BY_DIAL: Final = {
    Dial.REFUSE: "20001",
    Dial.DEAD_ADDRESS: "21211",
    Dial.THROTTLE: "20429",
    Dial.FAIL: "20500",
}
_ACCOUNT_PATH: Final = f"/{API_VERSION}/Accounts/{ACCOUNT_SID}.json"
_ACCOUNT: Final = {
    "sid": ACCOUNT_SID,
    "friendly_name": "Sandbox",
    "status": "active",
    "type": "Full",
    "uri": _ACCOUNT_PATH,
}


class TwilioPlayed(HttpSimulating):
    """One resource of an account; a folder's simulator says which, and what it shows."""

    resource: str
    sid_prefix: str
    errors: Errors
    magic: Mapping[str, str]
    """Numbers that Twilio itself keeps for tests, and what it answers for them."""
    concurrent_max = 1_000
    """Calls at a time; Twilio names no number."""

    def __init__(self) -> None:
        super().__init__()
        self._under_way = 0

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen as the API."""
        port = await self._listen_for_http(stage)
        return {
            "api_url": f"http://127.0.0.1:{port}",
            "account_sid": ACCOUNT_SID,
            "auth_token": AUTH_TOKEN,
            "sender": SENDER,
            "sender_rates": {SENDER: 1_000.0},
        }

    def address(self, n: int) -> str:
        """Return a number."""
        return f"+1415555{n:04d}"

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Return a request with *body*, to the URL that the newest message named."""
        for message in self.messages(limit=1):
            return signed(self.url_of(message), body, AUTH_TOKEN, at_ms)
        raise NotFound("no message has said yet where callbacks go")

    def url_of(self, message: Received) -> str:
        """Return the URL to which *message* wants its status reported; raises `NotFound`."""
        url = form_of(message).get("StatusCallback", "")
        if not url:
            raise NotFound("this message did not say where its status goes")
        return url

    def sid_of(self, message: Received) -> str:
        """Return Twilio's own name for *message*."""
        return self._sid(int(message.id.rpartition("-")[2]))

    def _newest(self, references: Sequence[str]) -> Received:
        (reference,) = references
        for message in self.messages(to=reference, limit=1):
            return message
        raise NotFound("no such message was taken")

    def _sid(self, number: int) -> str:
        return f"{self.sid_prefix}{number:032x}"

    async def _reply(self, request: Request) -> Reply | None:
        if request.method == "GET" and request.path == _ACCOUNT_PATH:
            return Reply.json(200, _ACCOUNT) if _knows(request) else self._error("20003")
        if self._under_way >= self.concurrent_max:
            return self._error("20429")
        self._under_way += 1
        try:
            return await self._take(request)
        finally:
            self._under_way -= 1

    async def _take(self, request: Request) -> Reply | None:
        fields = dict(request.form())
        reference = dict(parse_qsl(urlsplit(fields.get("StatusCallback", "")).query))
        await self._arrived([reference.get("reference", "")])
        code = self._wrong(request, fields)
        deal = self._deal(fields.get("To", "")) if code is None else Deal(Dial.REFUSE, code)
        code = deal.code or _BY_DIAL.get(deal.dial)
        sid = self._sid(self._mailbox.next_number)
        if deal.dial is not Dial.DROP:
            await self._keep(
                reference=reference.get("reference", ""),
                to=fields.get("To", ""),
                content=self._content(fields),
                raw=request.raw,
                answer="" if deal.lost else code or "201",
                taken=deal.taken,
                trace=request.headers.get("traceparent"),
            )
        await self._wait(deal)
        if deal.lost:
            return None
        return self._error(code) if code is not None else self._created(sid, fields)

    def _wrong(self, request: Request, fields: Fields) -> str | None:
        """Return the error of a request that Twilio would not take, whatever is dialled."""
        path = f"/{API_VERSION}/Accounts/{ACCOUNT_SID}/{self.resource}.json"
        if not _knows(request):
            return "20003"
        if request.path != path:
            return "20404"
        if request.method != "POST":
            return "20004"
        return self.magic.get(fields.get("To", "")) or self._invalid(fields)

    @abstractmethod
    def _invalid(self, fields: Fields) -> str | None:
        """Return the error of fields that this resource would not take."""

    @abstractmethod
    def _content(self, fields: Fields) -> Mapping[str, str]:
        """Return what the mailbox shows."""

    @abstractmethod
    def _document(self, fields: Fields) -> Mapping[str, object]:
        """Return what the answer shows beside what all resources do."""

    def _created(self, sid: str, fields: Fields) -> Reply:
        now = formatdate(self._stage.now_ms() / 1_000, usegmt=False)
        uri = f"/{API_VERSION}/Accounts/{ACCOUNT_SID}/{self.resource}/{sid}.json"
        document = {
            "sid": sid,
            "account_sid": ACCOUNT_SID,
            "api_version": API_VERSION,
            "date_created": now,
            "date_updated": now,
            "from": fields.get("From"),
            "to": fields.get("To"),
            "uri": uri,
            "price": None,
            "price_unit": "USD",
            **self._document(fields),
        }
        return Reply.json(201, document)

    def _error(self, code: str) -> Reply:
        status, _, message = self.errors[code]
        more = f"https://www.twilio.com/docs/errors/{code}"
        problem = {"code": int(code), "message": message, "more_info": more, "status": status}
        return Reply.json(status, problem)


def _knows(request: Request) -> bool:
    login = base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
    return request.headers.get("authorization", "") == f"Basic {login}"


def form_of(message: Received) -> dict[str, str]:
    """Return the form by which *message* came."""
    body = message.raw.partition(b"\r\n\r\n")[2]
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


def posted(url: str, fields: Fields, at_ms: int, *, genuine: bool = True) -> Callback:
    """Return the request by which Twilio posts *fields* to *url*."""
    token = AUTH_TOKEN if genuine else "another-token"
    return signed(url, urlencode(fields).encode(), token, at_ms)


def signed(url: str, body: bytes, token: str, at_ms: int) -> Callback:
    """Return a request with any body, signed as a form."""
    where = urlsplit(url)
    said = where._replace(fragment="").geturl()
    for name, value in sorted(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)):
        said += name + value
    mac = hmac.new(token.encode(), said.encode(), hashlib.sha1)
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
        "user-agent": "TwilioProxy/1.1",
        "x-twilio-signature": base64.b64encode(mac.digest()).decode(),
    }
    return Callback("POST", where.path, where.query, headers, body, at_ms)
