"""``/v1/callbacks/{provider}``: what providers report, signed by them. Hot: plain ASGI."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from tocsin.api.body import read_body
from tocsin.api.endpoint import ANY_TYPE, Endpoint
from tocsin.app.callbacks import Callbacks
from tocsin.app.receipts.guard import CallbackGuard
from tocsin.errors import Unavailable
from tocsin.ports.receipts import Callback, Response

_PATH: Final = "/v1/callbacks/{provider}"


class CallbacksApp:
    """The routes that have no key: their caller proves itself to the provider's folder."""

    def __init__(
        self, callbacks: Callbacks, guard: CallbackGuard, *, bytes_max: int, request_ms: int
    ) -> None:
        self._callbacks = callbacks
        self._guard = guard
        self._bytes_max = bytes_max
        self._request_s = request_ms / 1_000

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes."""
        return (
            Endpoint(
                "POST",
                _PATH,
                "Receive a provider's callback, verified by the provider's own signature",
                None,
                {204: None},
                body=bytes,
                body_types=(ANY_TYPE,),
                body_raw=True,
                query_raw=True,
                asgi=self,
                proves_itself=True,
            ),
            Endpoint(
                "GET",
                _PATH,
                "Answer a provider that asks whether this is where its callbacks belong",
                None,
                {204: None},
                query_raw=True,
                asgi=self,
                proves_itself=True,
            ),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request to the provider's folder as it came."""
        name = scope["path"].rpartition("/")[2]
        client = scope["client"][0] if scope.get("client") else "local"
        with self._guard.passing(name, client):
            try:
                async with asyncio.timeout(self._request_s):
                    said = await self._receive(name, scope, receive)
            except TimeoutError:
                raise Unavailable("this took too long; send it again") from None
        await _send(send, said)

    async def _receive(self, name: str, scope: Scope, receive: Receive) -> Response:
        headers = Headers(scope=scope)
        callback = Callback(
            method="GET" if scope["method"] == "HEAD" else scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=await read_body(headers, receive, self._bytes_max),
            received_ms=self._callbacks.now_ms(),
        )
        return await self._callbacks.receive(name, callback)


async def _send(send: Send, said: Response) -> None:
    headers = []
    if said.body or said.status != 204:
        headers = [
            (b"content-type", (said.content_type or "text/plain").encode()),
            (b"content-length", b"%d" % len(said.body)),
        ]
    await send({"type": "http.response.start", "status": said.status, "headers": headers})
    await send({"type": "http.response.body", "body": said.body})
