"""What the recipient's own app says of a message: that it has it, and what she did with it."""

from __future__ import annotations

from typing import Final, Literal

from tocsin.app.delivering.histories import Histories
from tocsin.app.inbox import InboxDesk, Reader
from tocsin.app.receipts.early import outputs
from tocsin.app.receipts.reports import CLIENT
from tocsin.domain.ids import address_of, recipient_of
from tocsin.domain.records import Reported
from tocsin.errors import NotFound
from tocsin.ports.log import Log
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.system import Clock

Said = Literal["received", "clicked", "acknowledged"]

_REASON: Final = "said_by_app"
_RECEIPTS: Final[dict[Said, ReceiptState]] = {
    "received": ReceiptState.DELIVERED,
    "clicked": ReceiptState.CLICKED,
    "acknowledged": ReceiptState.ACKNOWLEDGED,
}
_CHANGES: Final[dict[Said, str]] = {
    "received": "received",
    "clicked": "read",
    "acknowledged": "acknowledge",
}
"""What the same means for an item of the inbox."""


class ClientReceipts:
    """Takes them from recipients' tokens; each is durable when it is answered."""

    def __init__(self, log: Log, histories: Histories, inbox: InboxDesk, clock: Clock) -> None:
        self._log = log
        self._histories = histories
        self._inbox = inbox
        self._clock = clock

    async def take(self, reader: Reader, delivery: bytes, said: Said) -> None:
        """
        Note what *reader*'s app says of a delivery of hers.

        Raises `NotFound` for what is not hers, or was never on its way.
        """
        if recipient_of(delivery) != reader.number:
            raise _no_such()
        if not address_of(delivery):
            await self._inbox.note(reader, delivery, _CHANGES[said])
            return
        history = (await self._histories.of([delivery]))[delivery]
        # An attempt is durable before its call, so it is there before any app can have heard.
        if history.last is None:
            raise _no_such()
        now_ms = self._clock.now_ms()
        report = Reported(delivery, CLIENT, _RECEIPTS[said], _REASON, now_ms)
        await self._log.append(outputs(self._log, [report]))


def _no_such() -> NotFound:
    return NotFound("there is no such delivery")
