"""STOP and START, said on the channel itself: they hold for the address, whoever has it."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from tocsin.app.addresses import AddressBook, mask, normalise
from tocsin.app.receipts.blocks import AddressBlocks, Block, Why
from tocsin.errors import RequestRefused
from tocsin.ports.receipts import ChannelWish

logger = structlog.get_logger(__name__)


class Wishes:
    """
    Keeps them, durably; of several about one address the newest counts, whenever each arrives.
    """

    def __init__(self, book: AddressBook, blocks: AddressBlocks) -> None:
        self._book = book
        self._blocks = blocks

    async def take(self, provider: str, channel: str, wishes: Sequence[ChannelWish]) -> None:
        """
        Suppress the addresses of those who want nothing more, and lift that of who wants it again.

        Who begins again lifts only what such a word has added: neither a complaint, nor what an
        operator put on the list.
        """
        newest: dict[bytes, tuple[ChannelWish, Block]] = {}
        for wish in sorted(wishes, key=lambda each: each.at_ms):
            try:
                normal = normalise(channel, provider, wish.address)
            except RequestRefused as refused:
                logger.warning("wish_of_nobody", provider=provider, code=refused.code)
                continue
            digest = self._book.digest(channel, normal)
            hint = mask(channel, normal)
            said_in = wish.message_id
            block = Block(provider, channel, digest, hint, Why.STOP, wish.at_ms, said_in)
            newest[digest] = (wish, block)
        await self._blocks.add([block for wish, block in newest.values() if not wish.wanted])
        await self._blocks.lift([block for wish, block in newest.values() if wish.wanted])
