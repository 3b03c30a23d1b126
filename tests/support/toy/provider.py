"""The caller of the pager service. One connection for each call."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from tests.support.toy.settings import PagerSettings
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused, TryLater
from tocsin.ports.provider import Flags, ProviderTools
from tocsin.ports.receipts import (
    DONE,
    Callback,
    ChannelWish,
    Reading,
    Receipt,
    ReceiptState,
    Response,
)

TOLERANCE_MS = 300_000

_BROKEN = TryLater(ProviderReason.TIMED_OUT, known=False, detail="the connection broke")


class Result(msgspec.Struct):
    """What the service says about one page."""

    status: str
    id: str | None = None


class Report(msgspec.Struct):
    """What a callback says about one page; with ``sender``, the word of whoever has that pager."""

    ref: str
    state: str
    at_ms: int
    sender: str | None = None
    gone: bool = False
    id: str = ""


class Pager:
    """`tocsin.ports.provider.Provider`."""

    flags = Flags(
        batch_max=4, receipts=True, arrivals=True, reads=True, acknowledges=True, edits=True
    )

    def __init__(self, settings: PagerSettings, tools: ProviderTools) -> None:
        self.name = tools.name
        self._settings = settings

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        where = urlsplit(self._settings.url)
        try:
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
        except OSError as error:
            detail = type(error).__name__
            return [TryLater(ProviderReason.UNREACHABLE, detail=detail)] * len(messages)
        try:
            writer.write(self._request(messages))
            await writer.drain()
            status, after_ms, body = await _response(reader)
        except (OSError, EOFError, ValueError):
            return [_BROKEN] * len(messages)
        finally:
            writer.close()
        if status != 200:
            return [_refusal(status, after_ms)] * len(messages)
        results = msgspec.json.decode(body, type=list[Result])
        return [_outcome(each) for each in results]

    async def read_callback(self, callback: Callback) -> Reading:
        stamp = callback.headers.get("x-pager-time", "")
        given = callback.headers.get("x-pager-signature", "")
        wanted = sign(self._settings.callback_secret.reveal(), stamp, callback.body)
        if not hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
            raise Unauthenticated("the signature is not the pager service's")
        if abs(int(stamp) - callback.received_ms) > TOLERANCE_MS:
            raise Unauthenticated("the callback is too old")
        try:
            reports = msgspec.json.decode(callback.body, type=list[Report])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Malformed("a list of reports is needed") from None
        return Reading(
            [
                Receipt(
                    each.ref,
                    ReceiptState(each.state),
                    f"pager_{each.state}",
                    each.at_ms,
                    dead_address=each.gone,
                )
                for each in reports
                if each.state in set(ReceiptState)
            ],
            [
                ChannelWish(each.sender, each.state == "START", each.at_ms, each.state, each.id)
                for each in reports
                if each.sender is not None
            ],
            Response(200, "text/plain", b"heard") if any(r.sender for r in reports) else DONE,
        )

    async def close(self) -> None:
        """Nothing is kept open."""

    def _request(self, messages: Sequence[Message]) -> bytes:
        pages = [
            {
                "ref": message.reference,
                "to": message.address,
                "text": f"{message.content.title} {message.content.body}".strip(),
                "traceparent": message.trace,
                "replaces": message.supersedes,
            }
            for message in messages
        ]
        body = msgspec.json.encode(pages)
        head = (
            "POST /pages HTTP/1.1\r\nhost: pager\r\nconnection: close\r\n"
            f"authorization: Bearer {self._settings.key.reveal()}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def sign(secret: str, stamp: str, body: bytes) -> str:
    """Return the signature of a callback."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()


def build(settings: PagerSettings, tools: ProviderTools) -> Pager:
    """Return the provider."""
    return Pager(settings, tools)


async def _response(reader: asyncio.StreamReader) -> tuple[int, int | None, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    after = headers.get("retry-after")
    return int(head[0].split(" ")[1]), None if after is None else int(after) * 1_000, body


def _refusal(status: int, after_ms: int | None) -> ProviderOutcome:
    if status == 429:
        return TryLater(ProviderReason.THROTTLED, after_ms=after_ms, detail="429")
    if status >= 500:
        return TryLater(ProviderReason.OVERLOADED, known=False, detail=str(status))
    return Refused(ProviderReason.OUR_FAULT, detail=str(status))


def _outcome(result: Result) -> ProviderOutcome:
    if result.status == "taken":
        return Accepted(result.id)
    if result.status == "gone":
        return Refused(ProviderReason.DEAD_ADDRESS, detail="gone")
    return Refused(ProviderReason.BLOCKED, detail=result.status)
