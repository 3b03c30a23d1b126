"""Addresses at which nobody is any more leave the registry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from tocsin.app.delivering.providers import Wired
from tocsin.app.versions import at_last, put_unless_late
from tocsin.domain.purge_guard import PurgeGuard
from tocsin.domain.recipient import Recipient
from tocsin.ports.receipts import ChannelWish
from tocsin.ports.state import Recipients

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Deaths:
    """What one provider said of addresses."""

    dead: set[tuple[int, int]] = field(default_factory=set)
    """(recipient's number, address's number)"""
    stops: list[ChannelWish] = field(default_factory=list)
    """Whose people have told it that they want nothing more."""
    outcomes: int = 0
    """How many messages it spoke of."""


class AddressHealth:
    """
    Marks addresses dead, as a new version of their recipients' documents.

    Numbers of addresses are never used again, so one that was registered anew meanwhile is another.
    A provider that calls too many dead at once is not believed (`PurgeGuard`): the addresses stay,
    and somebody has to look at what is wrong.
    """

    def __init__(self, recipients: Recipients, providers: Mapping[str, Wired]) -> None:
        self._recipients = recipients
        self._guards = {
            name: PurgeGuard(
                wired.settings.dead_addresses_max, wired.settings.dead_addresses_window_ms
            )
            for name, wired in providers.items()
        }
        self.kept: Counter[str] = Counter()
        """Addresses that were called dead and not believed to be, by provider."""

    async def bury(self, told: Mapping[str, Deaths], now_ms: int) -> None:
        """Mark as dead what each provider called so; those that are stay as they were."""
        believed: set[tuple[int, int]] = set()
        for provider, deaths in told.items():
            if self._guards[provider].believes(len(deaths.dead), deaths.outcomes, now_ms):
                believed |= deaths.dead
            elif deaths.dead:
                self.kept[provider] += len(deaths.dead)
                logger.error("addresses_kept", provider=provider, addresses=len(deaths.dead))
        if believed:
            await self._mark(believed, now_ms)

    async def _mark(self, addresses: Collection[tuple[int, int]], now_ms: int) -> None:
        async def put() -> Sequence[Recipient] | None:
            people = await self._recipients.by_number(list({one for one, _ in addresses}))
            changed = [_without(one, addresses, now_ms) for one in people.values()]
            return await put_unless_late(
                self._recipients, [one for one in changed if one is not None]
            )

        await at_last(put)


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
