"""
A receiver of webhooks, played: it checks signatures as any other implementation would.

Nothing here is shared with what signs. A message with a signature that is not its secret's is
refused; which secret an address has of its own it cannot know, unless it is told (`trust`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tocsin.channels.simulating import Deal, Simulating
from tocsin.errors import NotFound
from tocsin.ports.provider import Callback, ReceiptState
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
_TAKING: Final = frozenset({Dial.ACCEPT, Dial.FAIL, Dial.TAKE_AND_DROP, Dial.STALL})


class _Request(msgspec.Struct, frozen=True):
    path: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes

    @property
    def reference(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def to(self) -> str:
        return self.headers.get(
            "webhook-destination", f"http://{self.headers.get('host', '')}{self.path}"
        )


class WebhookSimulator(Simulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "webhook"
    channel = "webhook"
    silence = "a receiver answers each call once, with a status, and reports nothing after that"
    codes: Mapping[str, Dial] = {
        "302": Dial.REFUSE,
        "400": Dial.REFUSE,
        "401": Dial.REFUSE,
        "404": Dial.REFUSE,
        "410": Dial.DEAD_ADDRESS,
        "413": Dial.REFUSE,
        "429": Dial.THROTTLE,
        "500": Dial.FAIL,
        "502": Dial.FAIL,
        "503": Dial.THROTTLE,
        "504": Dial.FAIL,
    }

    def __init__(self) -> None:
        super().__init__()
        self._secrets: dict[str, str] = {}

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        """Listen; every message is to come here, wherever it was meant for."""
        port = await self._open(stage, self._streams(self._serve))
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

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connected(writer.transport)
        try:
            while await self._answer(await _read(reader), writer):
                pass
        except (OSError, EOFError, ValueError):
            return  # the caller has gone, as callers do
        finally:
            self._gone(writer.transport)
            writer.close()

    async def _answer(self, request: _Request, writer: asyncio.StreamWriter) -> bool:
        """Return whether the connection stays open."""
        await self._arrived([request.reference])
        verdict = self._verdict(request)
        deal = self._deal(request.to) if verdict != "wrong" else Deal(Dial.REFUSE, "401")
        status = int(deal.code) if deal.code is not None else _STATUSES.get(deal.dial, 0)
        if deal.dial is not Dial.DROP:
            await self._keep(
                reference=request.reference,
                to=request.to,
                content={**_content(request.body), "signature": verdict},
                raw=request.raw,
                answer="" if deal.lost else str(status),
                taken=deal.dial in _TAKING,
                trace=request.headers.get("traceparent"),
            )
        await self._wait(deal)
        if deal.lost:
            return False
        after = f"retry-after: {RETRY_AFTER_S}\r\n" if deal.dial is Dial.THROTTLE else ""
        length = "" if status == 204 else "content-length: 0\r\n"
        writer.write(f"HTTP/1.1 {status} x\r\n{after}{length}\r\n".encode())
        await writer.drain()
        return True

    def _verdict(self, request: _Request) -> str:
        """
        Say ``valid``, ``wrong``, or ``not checked`` where the address may have its own secret.
        """
        own = self._secrets.get(request.to)
        if _signed_by(own or SECRET, request):
            return "valid"
        if own is None and request.headers.get("webhook-signature", "").startswith("v1,"):
            return "not checked"
        return "wrong"


def _signed_by(secret: str, request: _Request) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    stamp = request.headers.get("webhook-timestamp", "")
    text = f"{request.reference}.{stamp}.".encode() + request.body
    wanted = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    given = request.headers.get("webhook-signature", "").split(" ")
    return stamp.isdigit() and any(hmac.compare_digest(each, f"v1,{wanted}") for each in given)


def _content(body: bytes) -> dict[str, str]:
    """Return what the notification says, for lists."""
    try:
        data = msgspec.json.decode(body)["data"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return {"text": body.decode("utf-8", "replace")}
    return {
        name: value
        for name in ("title", "body", "url", "workflow", "recipient")
        if isinstance(data, dict) and isinstance(value := data.get(name), str) and value
    }


async def _read(reader: asyncio.StreamReader) -> _Request:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return _Request(first.split(" ")[1], headers, body, head + body)
