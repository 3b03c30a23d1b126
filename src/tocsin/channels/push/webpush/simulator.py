"""
A push service, played, and the browsers behind it: what arrives is decrypted, as they would.

Nothing here is shared with what encrypts and signs. The path of a subscription says whose service
answers: ``/generic/…``, ``/mozilla/…`` or ``/apple/…``; ``POST /subscribe`` makes one.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Final
from urllib.parse import urlsplit

from tocsin.channels.push.webpush.browser import Browser, Undecryptable, shown
from tocsin.channels.push.webpush.checking import Refusal, Vapid, check_headers
from tocsin.channels.push.webpush.waiting import Pending, Waiting
from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_h2 import TlsSimulating
from tocsin.channels.simulating_http import Reply, Request
from tocsin.errors import NotFound
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Dial, Stage

PRIVATE_KEY: Final = "canary-" + "k" * 35 + "A"
SUBJECT: Final = "mailto:operators@sandbox-push.example"
RETRY_AFTER_S: Final = 30
TTL_MAX_S: Final = 2_419_200
"""A longer one is made shorter, and the answer says so (RFC 8030, 5.2)."""
HOST: Final = "sandbox-push.example"
SERVICES: Final = ("generic", "mozilla", "apple")

_R, _D, _T, _F = Dial.REFUSE, Dial.DEAD_ADDRESS, Dial.THROTTLE, Dial.FAIL
_MOZILLA: Final = {
    "errno_101": (400, 101, "Bad Request", _R),
    "errno_102": (404, 102, "Not Found", _D),
    "errno_103": (410, 103, "Gone", _D),
    "errno_104": (413, 104, "Payload Too Large", _R),
    "errno_105": (410, 105, "Gone", _D),
    "errno_106": (410, 106, "Gone", _D),
    "errno_107": (400, 107, "Bad Request", _R),
    "errno_108": (400, 108, "Bad Request", _R),
    "errno_109": (401, 109, "Unauthorized", _R),
    "errno_110": (400, 110, "Bad Request", _R),
    "errno_111": (400, 111, "Bad Request", _R),
    "errno_112": (400, 112, "Bad Request", _R),
    "errno_113": (400, 113, "Bad Request", _R),
    "errno_201": (503, 201, "Service Unavailable", _T),
    "errno_202": (503, 202, "Service Unavailable", _T),
    "errno_900": (500, 900, "Internal Server Error", _F),
    "errno_901": (502, 901, "Bad Gateway", _F),
    "errno_902": (502, 902, "Bad Gateway", _F),
    "errno_903": (502, 903, "Bad Gateway", _F),
    "errno_999": (500, 999, "Internal Server Error", _F),
}
_APPLE: Final = {
    "BadTtl": (400, _R),
    "BadUrgency": (400, _R),
    "BadWebPushTopic": (400, _R),
    "BadWebPushRequest": (400, _R),
    "BadJwtToken": (403, _R),
    "BadVapidPublicKey": (403, _R),
    "VapidPkHashMismatch": (400, _D),
}
_GENERIC: Final = {
    "301": _R,
    "307": _R,
    "308": _R,
    "400": _R,
    "401": _R,
    "403": _R,
    "404": _D,
    "406": _T,
    "410": _D,
    "413": _R,
    "429": _T,
    "500": _F,
    "502": _F,
    "503": _F,
}
_STATUSES: Final = {Dial.REFUSE: "400", Dial.THROTTLE: "429", Dial.FAIL: "500"}
_GONE: Final = {"generic": "404", "mozilla": "errno_103", "apple": "410"}
_CHROME: Final = (
    b"the VAPID credentials in the authorization header do not correspond to the credentials"
    b" used to create the subscriptions.\n"
)


class WebPushSimulator(TlsSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "webpush"
    channel = "push"
    silence = (
        "a push service answers once and reports nothing after that; what was shown or clicked is"
        " said by the browser itself"
    )
    codes: Mapping[str, Dial] = {
        **_GENERIC,
        "429 dated": Dial.THROTTLE,
        "other_key": Dial.DEAD_ADDRESS,
        **{code: row[3] for code, row in _MOZILLA.items()},
        **{code: row[1] for code, row in _APPLE.items()},
    }

    def __init__(self) -> None:
        super().__init__()
        self._vapid = Vapid()
        self.away: set[str] = set()
        """Endpoints of browsers that are off: what has time to wait waits."""
        self._pending = Pending()

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen; every message is to come here, wherever its browser subscribed."""
        proof = await self._listen_for_tls(stage)
        return {
            "relay_url": f"https://127.0.0.1:{self.port}/",
            "ca_file": str(proof.authority),
            "private_key": PRIVATE_KEY,
            "private_key_file": None,
            "subject": SUBJECT,
        }

    def address(self, n: int) -> str:
        """Return a browser's subscription, of each service in turn."""
        name = f"{SERVICES[n % len(SERVICES)]}/canary-{n}"
        return Browser(f"https://{HOST}/{name}").subscription()

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Raise `NotFound`: push services do not call back."""
        raise NotFound("push services do not call back")

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Raise `NotFound`, as above."""
        raise NotFound("push services do not call back")

    async def _reply(self, request: Request) -> Reply | None:
        endpoint = request.headers.get("push-endpoint")
        if endpoint is None:
            endpoint = f"https://{request.headers.get('host', '')}{request.path}"
            if request.path == "/subscribe":
                return _subscribed(request)
        if request.method == "DELETE":
            return self._taken_back(request.path)
        if request.method != "POST":
            return Reply(405)
        browser = Browser(endpoint)
        content = _read(browser, request)
        reference = content.get("tocsin", "")
        await self._arrived([reference])
        to = browser.subscription()
        dead = endpoint in self.faults.dead
        deal = Deal(Dial.DEAD_ADDRESS) if dead else self._deal(to)
        refused = self._refused(request, endpoint)
        reply = refused or self._answer(deal, endpoint, request)
        taken = refused is None and deal.taken
        if taken and endpoint in self.away:
            self._let_wait(request, endpoint, reference, self._mailbox.next_number)
        if deal.dial is not Dial.DROP:
            await self._keep(
                reference=reference,
                to=to,
                content=content,
                raw=request.raw,
                answer="" if deal.lost else str(reply.status),
                taken=taken,
                trace=content.get("traceparent"),
                place=_place(request, endpoint),
            )
        await self._wait(deal)
        return None if deal.lost else reply

    def _refused(self, request: Request, endpoint: str) -> Reply | None:
        # A stage without a clock stands still at 0.
        now_ms = self._stage.real_ms() or None
        refusal = check_headers(request) or self._vapid.check(request, endpoint, now_ms)
        if refusal is None:
            return None
        return _said(_code_of(refusal, _service(endpoint)))

    def _answer(self, deal: Deal, endpoint: str, request: Request) -> Reply:
        if deal.code is not None:
            return _said(deal.code, self._stage.real_ms())
        if deal.dial is Dial.DEAD_ADDRESS:
            return _said(_GONE[_service(endpoint)])
        if deal.dial in _STATUSES:
            return _said(_STATUSES[deal.dial])
        number = self._mailbox.next_number
        headers = [("location", f"https://{HOST}/m/{number}")]
        if int(request.headers["ttl"]) > TTL_MAX_S:
            headers.append(("ttl", str(TTL_MAX_S)))
        return Reply(201, headers=headers)

    def _let_wait(self, request: Request, endpoint: str, reference: str, number: int) -> None:
        """Keep it for as long as it may wait; with no time at all it is gone (RFC 8030, 5.2)."""
        ttl_s = min(int(request.headers["ttl"]), TTL_MAX_S)
        until_ms = self._stage.now_ms() + ttl_s * 1_000
        if ttl_s:
            topic = request.headers.get("topic")
            self._pending.keep(endpoint, Waiting(number, reference, topic, until_ms))

    def come_back(self, endpoint: str) -> list[str]:
        """Switch a browser on; return the references of what it is then shown."""
        self.away.discard(endpoint)
        return self._pending.come_back(endpoint, self._stage.now_ms())

    def _taken_back(self, path: str) -> Reply:
        """Forget a message that has not arrived yet (RFC 8030, 6.2)."""
        number = path.removeprefix("/m/")
        waits = number.isdecimal() and self._pending.take_back(int(number), self._stage.now_ms())
        return Reply(204 if waits else 404)


def _place(request: Request, endpoint: str) -> str | None:
    """Return where a message of the same topic waits for a browser that is away."""
    topic = request.headers.get("topic")
    return None if topic is None else f"{endpoint} {topic}"


def _service(endpoint: str) -> str:
    first = urlsplit(endpoint).path.strip("/").partition("/")[0]
    return first if first in SERVICES else SERVICES[0]


def _code_of(refusal: Refusal, service: str) -> str:
    return {"mozilla": refusal.mozilla, "apple": refusal.apple}.get(service, refusal.generic)


def _said(code: str, now_ms: int = 0) -> Reply:
    """Return the answer as the vendor whose code it is writes it."""
    wait = ("retry-after", str(RETRY_AFTER_S))
    code, _, dated = code.partition(" ")
    if dated:
        wait = ("retry-after", formatdate(now_ms // 1_000 + RETRY_AFTER_S, usegmt=True))
    if code == "other_key":
        return Reply(403, _CHROME, (("content-type", "text/plain"),))
    if code in _MOZILLA:
        status, errno, error, dial = _MOZILLA[code]
        headers = [wait] if dial is Dial.THROTTLE else []
        body = {"code": status, "errno": errno, "error": error, "message": "played"}
        return Reply.json(status, body, *headers)
    if code in _APPLE:
        return Reply.json(_APPLE[code][0], {"reason": code})
    headers = [wait] if _GENERIC[code] is Dial.THROTTLE else []
    if code.startswith("3"):
        headers.append(("location", f"https://{HOST}/generic/elsewhere"))
    return Reply(int(code), b"", headers)


def _read(browser: Browser, request: Request) -> dict[str, str]:
    try:
        content = shown(browser.decrypt(request.body))
    except Undecryptable as why:
        content = {"undecryptable": str(why)}
    beside = ("ttl", "urgency", "topic")
    return {
        **content,
        **{name: request.headers[name] for name in beside if name in request.headers},
    }


def _subscribed(request: Request) -> Reply:
    host = request.headers.get("host", "")
    browser = Browser(f"https://{host}/generic/{secrets.token_urlsafe(12)}")
    return Reply(201, browser.subscription().encode(), (("content-type", "application/json"),))
