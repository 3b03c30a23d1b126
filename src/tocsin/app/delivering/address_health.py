"""Addresses at which nobody is any more leave the registry."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from tocsin.domain.recipient import Recipient
from tocsin.errors import Conflict
from tocsin.ports.state import Recipients

_TRIES: Final = 5


class AddressHealth:
    """
    Marks addresses dead, as a new version of their recipients' documents.

    Numbers of addresses are never used again, so one that was registered anew meanwhile is another.
    """

    def __init__(self, recipients: Recipients) -> None:
        self._recipients = recipients

    async def bury(self, addresses: Collection[tuple[int, int]], now_ms: int) -> None:
        """Mark (recipient's number, address's number) as dead; those that are stay as they were."""
        if not addresses:
            return
        for _ in range(_TRIES):
            people = await self._recipients.by_number(list({one for one, _ in addresses}))
            changed = [_without(one, addresses, now_ms) for one in people.values()]
            try:
                await self._recipients.put([one for one in changed if one is not None])
            except Conflict:
                # Somebody changed one of them meanwhile: look again.
                continue
            return
        raise Conflict("a recipient keeps changing while its address is marked dead")


def _without(
    recipient: Recipient, dead: Collection[tuple[int, int]], now_ms: int
) -> Recipient | None:
    addresses = tuple(
        msgspec.structs.replace(each, dead_ms=now_ms)
        if each.dead_ms is None and (recipient.number, each.number) in dead
        else each
        for each in recipient.addresses
    )
    if addresses == recipient.addresses:
        return None
    return msgspec.structs.replace(
        recipient, addresses=addresses, version=recipient.version + 1, changed_ms=now_ms
    )
