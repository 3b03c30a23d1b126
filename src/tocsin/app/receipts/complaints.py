"""Who calls a message spam is not written to at that address any more."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.app.addresses import AddressBook, mask
from tocsin.app.receipts.blocks import AddressBlocks, Block, Why
from tocsin.domain.ids import accepted_ms, address_of, recipient_of
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Reported
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.state import Recipients


class Complaints:
    """Fills `tocsin.app.receipts.step.Consequence`."""

    def __init__(self, recipients: Recipients, book: AddressBook, blocks: AddressBlocks) -> None:
        self._recipients = recipients
        self._book = book
        self._blocks = blocks

    async def __call__(self, reports: Sequence[Reported]) -> None:
        """Put the addresses of deliveries that were complained about on the suppression list."""
        complaints = [each for each in reports if each.state == ReceiptState.COMPLAINED]
        if not complaints:
            return
        numbers = list({recipient_of(each.delivery) for each in complaints})
        people = await self._recipients.by_number(numbers)
        found = [await self._block(each, people.get(_number(each))) for each in complaints]
        await self._blocks.add([each for each in found if each is not None])

    async def _block(self, report: Reported, now: Recipient | None) -> Block | None:
        number = address_of(report.delivery)
        if now is None or now.erased or not number:
            return None
        for person in (now, await self._then(report)):
            address = None if person is None else person.address(number)
            if person is not None and address is not None:
                hint = mask(address.channel, self._book.open(person, address))
                return Block(
                    report.provider,
                    address.channel,
                    address.digest,
                    hint,
                    Why.COMPLAINT,
                    report.at_ms,
                )
        return None

    async def _then(self, report: Reported) -> Recipient | None:
        """An address that has left since may come back, and is not to be written to then."""
        return await self._recipients.version_at(_number(report), accepted_ms(report.delivery))


def _number(report: Reported) -> int:
    return recipient_of(report.delivery)
