"""``POST /v1/callbacks/{provider}``: what providers report, signed by them."""

from __future__ import annotations

from tocsin.api.endpoint import ANY_TYPE, Answer, Call, Endpoint
from tocsin.app.callbacks import Callbacks
from tocsin.ports.receipts import Callback


class CallbackRoutes:
    """The route that has no key: its caller proves itself to the provider's folder."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the route."""
        return (
            Endpoint(
                "POST",
                "/v1/callbacks/{provider}",
                "Receive a provider's callback, verified by the provider's own signature",
                self.receive,
                {204: None},
                body=bytes,
                body_types=(ANY_TYPE,),
                body_raw=True,
                query_raw=True,
            ),
            Endpoint(
                "GET",
                "/v1/callbacks/{provider}",
                "Answer a provider that asks whether this is where its callbacks belong",
                self.ask,
                {204: None},
                query_raw=True,
            ),
        )

    async def receive(self, call: Call) -> Answer:
        """Hand the request to the provider's folder as it came."""
        return await self._receive("POST", call)

    async def ask(self, call: Call) -> Answer:
        """Hand a request without a body over, as above."""
        return await self._receive("GET", call)

    async def _receive(self, method: str, call: Call) -> Answer:
        name = call.path["provider"]
        callback = Callback(
            method=method,
            path=f"/v1/callbacks/{name}",
            query=call.query_text,
            headers=call.headers,
            body=call.raw,
            received_ms=self._callbacks.now_ms(),
        )
        said = await self._callbacks.receive(name, callback)
        return Answer(said.body or None, said.status, content_type=said.content_type)
