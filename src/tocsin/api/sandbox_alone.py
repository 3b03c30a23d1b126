"""
The HTTP side of `tocsin sandbox`: the vendors' routes without a server behind them.

The routes are those of the server, and one more, by which a server says where receipts go and what
time it is. Whoever calls shows the key that stands in the folder beside the messages.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from tocsin.api.body import check_media_type, decode_json, decode_path, decode_query, read_body
from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.exchange import Exchange
from tocsin.api.router import Router
from tocsin.api.sandbox_vendors import SandboxVendorRoutes
from tocsin.errors import RequestRefused, TocsinError, Unauthenticated
from tocsin.ports.vendors import Vendors

_BODY_BYTES_MAX: Final = 2_000_000


class ServerTold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server takes receipts, and how far its time is ahead; what is absent stays."""

    url: Annotated[str, Meta(max_length=2_048, pattern="^https?://")] | None = None
    offset_ms: int | None = None


Keep = Callable[[ServerTold], Awaitable[None]]
"""Keeps what was told over a restart."""


class SandboxAlone:
    """An ASGI application."""

    def __init__(self, vendors: Vendors, key: str, keep: Keep) -> None:
        self._vendors = vendors
        self._wanted = f"Bearer {key}".encode()
        self._keep = keep
        self._router = Router(self._endpoints())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = Exchange(send, scope["method"], "req_sandbox")
        try:
            await exchange.answer(await self._answer(scope, receive))
        except TocsinError as refused:
            await exchange.refuse(refused)

    def _endpoints(self) -> Sequence[Endpoint]:
        routes = SandboxVendorRoutes(self._vendors, Nobody())
        told = Endpoint(
            "PUT",
            "/v1/sandbox/server",
            "Say where the server takes receipts, and what time it is there",
            self.told,
            {204: None},
            body=ServerTold,
        )
        return (*routes.endpoints(), told)

    async def told(self, call: Call) -> Answer:
        """Take what a server says about itself, and keep it."""
        told = call.body(ServerTold)
        if told.url is not None:
            await self._vendors.report_to(told.url)
        if told.offset_ms is not None:
            await self._vendors.tell_time(told.offset_ms)
        await self._keep(told)
        return Answer(status=204)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        headers = Headers(scope=scope)
        given = headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, self._wanted):
            raise Unauthenticated("show the key that stands in sandbox.json")
        endpoint, parameters = self._router.find(scope["method"], scope["raw_path"].decode())
        call = Call(None, decode_path(parameters), headers, "req_sandbox")
        call.query_value = decode_query(scope["query_string"], endpoint.query)
        call.raw = await read_body(headers, receive, _BODY_BYTES_MAX)
        if endpoint.body is not None:
            call.body_value = _body(endpoint, call.raw, headers)
        assert endpoint.handler is not None
        return await endpoint.handler(call)


def _body(endpoint: Endpoint, raw: bytes, headers: Headers) -> object:
    if endpoint.body_optional and not raw:
        return endpoint.body()
    check_media_type(headers, endpoint.body_types)
    return decode_json(raw, endpoint.body)


class Nobody:
    """Fills `tocsin.api.sandbox_vendors.People` where no recipient is known."""

    async def number_of(self, id: str) -> int | None:
        """Raise `RequestRefused`."""
        raise RequestRefused(
            "only a server knows its recipients: ask it, or for recipient_number",
            code="unknown_field",
        )

    async def ids_of(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Return nobody's."""
        return {}
