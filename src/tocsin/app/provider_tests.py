"""One real message to one address, past all queues, to see whether a provider works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tocsin.app.addresses import AddressBook, address_field, mask
from tocsin.app.callers import Principal
from tocsin.app.provider_list import ProviderList
from tocsin.app.trail import Notes
from tocsin.domain.ids import delivery_key, event_key, notification_key, show_delivery
from tocsin.errors import Conflict
from tocsin.ports.message import Message
from tocsin.ports.outcomes import ProviderOutcome, ProviderReason, TryLater
from tocsin.ports.provider import Channel, Provider
from tocsin.ports.state import Suppressions
from tocsin.ports.system import Chance, Clock

TITLE: Final = "A test of Tocsin"
BODY: Final = "Somebody who runs Tocsin has sent this to see whether it arrives."

NOBODY: Final = 0
"""The number of no recipient: receipts about a test are about nobody."""


@dataclass(frozen=True, slots=True)
class Tested:
    """How a test ended; ``reference`` is what the vendor was given as ours."""

    reference: str
    outcome: ProviderOutcome
    took_ms: int
    played: bool = False
    """It went to a vendor that a sandbox plays."""


class ProviderTests:
    """
    Sends tests.

    No workflow, preference or queue has a say, nor breaker or rate; the suppression list has. It
    stands in no ledger: the answer says what became of it, and the audit trail who asked for it.
    """

    def __init__(
        self,
        providers: ProviderList,
        channels: Callable[[str], Channel],
        suppressions: Suppressions,
        book: AddressBook,
        notes: Notes,
        clock: Clock,
        chance: Chance,
        elapsed_s: Callable[[], float],
    ) -> None:
        """*elapsed_s* only ever goes on."""
        self._providers = providers
        self._channels = channels
        self._suppressions = suppressions
        self._book = book
        self._notes = notes
        self._clock = clock
        self._chance = chance
        self._elapsed_s = elapsed_s

    async def send(
        self, by: Principal, name: str, address: str, title: str | None, body: str | None
    ) -> Tested:
        """
        Send one message.

        Raises `NotFound` for a provider that is not configured, `RequestRefused` for an address
        that is none of its channel, and `Conflict` for one that is suppressed.
        """
        seen = self._providers.one(name)
        channel = self._channels(seen.channel)
        to = channel.check_address(address_field(seen.channel, name, address))
        await self._refuse_suppressed(seen.channel, to)
        message = self._message(channel, to, title, body)
        detail = f"to {mask(seen.channel, to)}"
        await self._notes.add(by, "provider.test", f"provider/{name}", detail)
        began_s = self._elapsed_s()
        with seen.wired.lent as provider:
            timeout_s = seen.wired.settings.call_timeout_ms / 1_000
            outcome = await _sent(provider, message, timeout_s)
        took_ms = int((self._elapsed_s() - began_s) * 1_000)
        seen.wired.answers.note([outcome], self._clock.now_ms())
        return Tested(message.reference, outcome, took_ms, seen.wired.played is not None)

    async def _refuse_suppressed(self, channel: str, address: str) -> None:
        digest = self._book.digest(channel, address)
        found = await self._suppressions.matching((), (digest,))
        if any(each.channel in (None, channel) for each in found):
            raise Conflict("this address is on the suppression list", code="suppressed")

    def _message(
        self, channel: Channel, address: str, title: str | None, body: str | None
    ) -> Message:
        event = event_key(self._clock.now_ms(), self._chance.bytes(10))
        key = delivery_key(notification_key(event, 0, NOBODY), 0, 0)
        said = {"title": title or TITLE, "body": body or BODY}
        return Message(show_delivery(key), address, channel.shape(said))


async def _sent(provider: Provider, message: Message, timeout_s: float) -> ProviderOutcome:
    try:
        async with asyncio.timeout(timeout_s):
            (outcome,) = await provider.send([message])
    except TimeoutError:
        return TryLater(ProviderReason.TIMED_OUT, known=False, detail="no answer in time")
    return outcome
