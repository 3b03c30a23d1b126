"""
A receiver of webhooks, played: it checks signatures as any other implementation would.

Nothing here is shared with what signs. A message with a signature that is not its secret's is
refused; which secret an address has of its own it cannot know, unless it is told (`trust`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tocsin.channels.simulating import Deal
from tocsin.channels.simulating_http import HttpSimulating, Reply, Request
from tocsin.domain.json_check import UNREADABLE
from tocsin.errors import NotFound
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Dial, Stage

SECRET: Final = "whsec_" + "canary" * 8
RETRY_AFTER_S: Final = 30

_STATUSES: Final = {
    Dial.ACCEPT: 204,
    Dial.REFUSE: 400,
    Dial.DEAD_ADDRESS: 410,
    Dial.THROTTLE: 429,
    Dial.FAIL: 500,
    Dial.STALL: 204,
}


class WebhookSimulator(HttpSimulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "webhook"
    channel = "webhook"
    silence = "a receiver answers each call once, with a status, and reports nothing after that"
    codes: Mapping[str, Dial] = {
        "302": Dial.REFUSE,
        "400": Dial.REFUSE,
        "401": Dial.REFUSE,
        "403": Dial.REFUSE,
        "404": Dial.REFUSE,
        "408": Dial.THROTTLE,
        "410": Dial.DEAD_ADDRESS,
        "413": Dial.REFUSE,
        "415": Dial.REFUSE,
        "422": Dial.REFUSE,
        "425": Dial.THROTTLE,
        "429": Dial.THROTTLE,
        "500": Dial.FAIL,
        "502": Dial.FAIL,
        "503": Dial.FAIL,
        "503 later": Dial.THROTTLE,
        "504": Dial.FAIL,
    }

    def __init__(self) -> None:
        super().__init__()
        self._secrets: dict[str, str] = {}

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen; every message is to come here, wherever it was meant for."""
        port = await self._listen_for_http(stage)
        return {"relay_url": f"http://127.0.0.1:{port}/", "secret": SECRET}

    def address(self, n: int) -> str:
        """Return a URL."""
        return f"https://canary-{n}.example/hooks"

    def trust(self, address: str, secret: str) -> None:
        """Refuse what comes for *address* with another signature than this secret's."""
        self._secrets[address] = secret

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        """Raise `NotFound`: receivers of webhooks do not call back."""
        raise NotFound("receivers of webhooks do not call back")

    def signed(self, body: bytes, at_ms: int) -> Callback:
        """Raise `NotFound`, as above."""
        raise NotFound("receivers of webhooks do not call back")

    async def _reply(self, request: Request) -> Reply | None:
        if request.method != "POST":
            return Reply(405)
        reference, to = request.headers.get("webhook-id", ""), _to(request)
        await self._arrived([reference])
        verdict = self._verdict(request)
        deal = self._deal(to) if verdict != "wrong" else Deal(Dial.REFUSE, "401")
        status = int(deal.code[:3]) if deal.code is not None else _STATUSES.get(deal.dial, 0)
        if deal.dial is not Dial.DROP:
            await self._keep(
                reference=reference,
                to=to,
                content={**_content(request.body), "signature": verdict},
                raw=request.raw,
                answer="" if deal.lost else str(status),
                taken=deal.taken,
                trace=request.headers.get("traceparent"),
            )
        await self._wait(deal)
        if deal.lost:
            return None
        after = (("retry-after", str(RETRY_AFTER_S)),) if deal.dial is Dial.THROTTLE else ()
        return Reply(status, headers=after)

    def _verdict(self, request: Request) -> str:
        """
        Say ``valid``, ``wrong``, or ``not checked`` where the address may have its own secret.
        """
        own = self._secrets.get(_to(request))
        if _signed_by(own or SECRET, request):
            return "valid"
        if own is None and request.headers.get("webhook-signature", "").startswith("v1,"):
            return "not checked"
        return "wrong"


def _to(request: Request) -> str:
    at = f"http://{request.headers.get('host', '')}{request.target}"
    return request.headers.get("webhook-destination", at)


def _signed_by(secret: str, request: Request) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    stamp = request.headers.get("webhook-timestamp", "")
    text = f"{request.headers.get('webhook-id', '')}.{stamp}.".encode() + request.body
    wanted = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    given = request.headers.get("webhook-signature", "").split(" ")
    return stamp.isdigit() and any(hmac.compare_digest(each, f"v1,{wanted}") for each in given)


def _content(body: bytes) -> dict[str, str]:
    """Return what the notification says, for lists."""
    try:
        data = msgspec.json.decode(body)["data"]
    except (*UNREADABLE, KeyError, TypeError):
        return {"text": body.decode("utf-8", "replace")}
    return {
        name: value
        for name in ("title", "body", "url", "workflow", "recipient")
        if isinstance(data, dict) and isinstance(value := data.get(name), str) and value
    }
