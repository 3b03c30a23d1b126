"""``POST /v1/deliveries/{id}/…``: what a recipient's own app says of what it was sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.inbox import reader_of
from tocsin.app.receipts.client import ClientReceipts, Said
from tocsin.domain.ids import read_delivery

_SUMMARIES: Final[dict[Said, str]] = {
    "received": "Say that the app has what was delivered",
    "clicked": "Say that the recipient has followed what was delivered",
    "acknowledged": "Say that the recipient has acknowledged what was delivered",
}


class DeliveryRoutes:
    """Routes for recipients' tokens."""

    def __init__(self, receipts: ClientReceipts) -> None:
        self._receipts = receipts

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes."""
        return tuple(
            Endpoint(
                "POST", f"/v1/deliveries/{{id}}/{said}", summary, self._taking(said), {204: None}
            )
            for said, summary in _SUMMARIES.items()
        )

    def _taking(self, said: Said) -> Callable[[Call], Awaitable[Answer]]:
        return partial(self._take, said)

    async def _take(self, said: Said, call: Call) -> Answer:
        await self._receipts.take(reader_of(call.by), read_delivery(call.path["id"]), said)
        return Answer(status=204)
