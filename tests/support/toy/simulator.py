"""The pager service, played."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from tests.support.toy.provider import sign
from tocsin.channels.simulating import Deal, Simulating
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial, Stage, Tell

KEY = "key-canary-5e1c"
CALLBACK_SECRET = "callback-canary-77af"
RETRY_AFTER_S = 30

_STATUSES = {Dial.ACCEPT: "taken", Dial.REFUSE: "blocked", Dial.DEAD_ADDRESS: "gone"}
_WHOLE_CALL = frozenset(Dial) - frozenset(_STATUSES)


class Page(msgspec.Struct):
    """One page of a call."""

    ref: str
    to: str
    text: str
    traceparent: str | None = None
    replaces: str | None = None


class PagerSimulator(Simulating):
    """`tocsin.ports.simulator.Simulator`."""

    provider = "pager"
    channel = "chat"
    codes: Mapping[str, Dial] = {"429": Dial.THROTTLE, "503": Dial.FAIL}
    actions: Mapping[Action, ReceiptState] = {
        Action.DELIVER: ReceiptState.DELIVERED,
        Action.BOUNCE: ReceiptState.FAILED,
        Action.OPEN: ReceiptState.OPENED,
        Action.PRESS: ReceiptState.ACKNOWLEDGED,
    }
    speaks = frozenset({Action.REPLY})

    async def start(self, stage: Stage | None = None) -> Mapping[str, object]:
        port = await self._open(stage, self._streams(self._serve))
        return {
            "url": f"http://127.0.0.1:{port}",
            "key": KEY,
            "callback_secret": CALLBACK_SECRET,
        }

    def address(self, n: int) -> str:
        return f"address-canary-{n}"

    async def act(self, deed: Deed, tell: Tell) -> str:
        if deed.action is Action.REPLY:
            return f"you said {deed.words}"
        return await super().act(deed, tell)

    def callback(
        self, references: Sequence[str], state: ReceiptState, at_ms: int, *, genuine: bool = True
    ) -> Callback:
        body = msgspec.json.encode(
            [{"ref": each, "state": state, "at_ms": at_ms} for each in references]
        )
        callback = self.signed(body, at_ms)
        if genuine:
            return callback
        return replace(callback, headers={**callback.headers, "x-pager-signature": "0" * 64})

    def signed(self, body: bytes, at_ms: int) -> Callback:
        stamp = str(at_ms)
        headers = {
            "x-pager-time": stamp,
            "x-pager-signature": sign(CALLBACK_SECRET, stamp, body),
        }
        return Callback("POST", "/v1/callbacks/pager", "", headers, body, at_ms)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connected(writer.transport)
        try:
            await self._answer(reader, writer)
        except (OSError, EOFError):
            return  # the caller has gone, as callers do
        finally:
            self._gone(writer.transport)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        pages = msgspec.json.decode(await reader.readexactly(length), type=list[Page])
        await self._arrived(page.ref for page in pages)
        deals = [self._deal(page.to) for page in pages]
        whole = next((deal for deal in deals if deal.dial in _WHOLE_CALL), None)
        if whole is not None:
            await self._answer_all(writer, pages, whole)
            return
        results = [await self._page(page, deal) for page, deal in zip(pages, deals, strict=True)]
        await self._wait(Deal(Dial.ACCEPT))
        await _write(writer, 200, msgspec.json.encode(results))

    async def _answer_all(
        self, writer: asyncio.StreamWriter, pages: Sequence[Page], whole: Deal
    ) -> None:
        """Do with all pages of a call what is done to one of them."""
        if whole.dial is Dial.DROP:
            return
        if whole.dial is Dial.THROTTLE:
            await _write(writer, 429, b"[]", f"retry-after: {RETRY_AFTER_S}\r\n")
            return
        results = [await self._page(page, Deal(Dial.ACCEPT)) for page in pages]
        await self._wait(whole)
        if whole.dial is Dial.FAIL:
            await _write(writer, 503, b"[]")
        elif not whole.lost:
            await _write(writer, 200, msgspec.json.encode(results))

    async def _page(self, page: Page, deal: Deal) -> dict[str, str]:
        status = _STATUSES[deal.dial]
        id = await self._keep(
            reference=page.ref,
            to=page.to,
            content={"text": page.text},
            raw=msgspec.json.encode(page),
            answer=status,
            taken=deal.dial is Dial.ACCEPT,
            trace=page.traceparent,
            supersedes=page.replaces,
        )
        return {"status": status, "id": page.replaces or id.replace(self.provider, "page")}


async def _write(writer: asyncio.StreamWriter, status: int, body: bytes, headers: str = "") -> None:
    head = f"HTTP/1.1 {status} x\r\n{headers}content-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
