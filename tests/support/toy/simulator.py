"""The pager service, played."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec

from tests.support.toy.provider import sign
from tocsin.ports.provider import Callback, ReceiptState
from tocsin.ports.simulator import Dial, Taken

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


class PagerSimulator:
    """`tocsin.ports.simulator.Simulator`."""

    def __init__(self) -> None:
        self._dials: deque[Dial] = deque()
        self._calls: list[Sequence[str]] = []
        self._taken: list[Taken] = []
        self._released = asyncio.Event()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> Mapping[str, object]:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return {
            "url": f"http://127.0.0.1:{port}",
            "key": KEY,
            "callback_secret": CALLBACK_SECRET,
        }

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.release()
        for writer in tuple(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    def address(self, n: int) -> str:
        return f"address-canary-{n}"

    def dial(self, dials: Sequence[Dial]) -> None:
        self._dials = deque(dials)

    def release(self) -> None:
        self._released.set()

    @property
    def calls(self) -> Sequence[Sequence[str]]:
        return self._calls

    @property
    def taken(self) -> Sequence[Taken]:
        return self._taken

    async def until_taken(self, count: int) -> None:
        """Return when *count* messages were taken."""
        await self._until(lambda: len(self._taken) >= count)

    async def until_called(self, count: int) -> None:
        """Return when *count* calls arrived."""
        await self._until(lambda: len(self._calls) >= count)

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

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._answer(reader, writer)
        except (OSError, EOFError):
            return  # the caller has gone, as callers do
        finally:
            self._open.discard(writer)
            self._changed.set()
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        pages = msgspec.json.decode(await reader.readexactly(length), type=list[Page])
        dials = [self._dials.popleft() if self._dials else Dial.ACCEPT for _ in pages]
        whole = next((dial for dial in dials if dial in _WHOLE_CALL), None)
        self._calls.append([page.ref for page in pages])
        self._changed.set()
        if whole is Dial.DROP:
            return
        if whole is Dial.THROTTLE:
            await _write(writer, 429, b"[]", f"retry-after: {RETRY_AFTER_S}\r\n")
            return
        if whole is None:
            await _write(writer, 200, msgspec.json.encode(self._take(pages, dials)))
            return
        results = self._take(pages, [Dial.ACCEPT] * len(pages))
        if whole is Dial.FAIL:
            await _write(writer, 503, b"[]")
        elif whole is Dial.STALL:
            await self._released.wait()
            await _write(writer, 200, msgspec.json.encode(results))

    def _take(self, pages: Sequence[Page], dials: Sequence[Dial]) -> list[dict[str, str]]:
        results = []
        for page, dial in zip(pages, dials, strict=True):
            if dial is Dial.ACCEPT:
                self._taken.append(
                    Taken(page.ref, page.to, page.text, page.traceparent, page.replaces)
                )
            results.append({"status": _STATUSES[dial], "id": f"page-{len(self._taken)}"})
        return results


async def _write(writer: asyncio.StreamWriter, status: int, body: bytes, headers: str = "") -> None:
    head = f"HTTP/1.1 {status} x\r\n{headers}content-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
