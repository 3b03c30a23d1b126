"""Callbacks of providers: verified by their folders, and on the log before they are answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import msgspec
import structlog

from tocsin.app.delivering.providers import Fleet
from tocsin.app.receipts.early import outputs
from tocsin.app.receipts.reports import happened_ms, report_of
from tocsin.app.receipts.wishes import Wishes
from tocsin.domain.ids import accepted_ms, read_delivery
from tocsin.domain.records import Reported
from tocsin.errors import NotFound, RequestRefused
from tocsin.ports.log import Log
from tocsin.ports.receipts import Callback, ChannelWish, Receipt, ReceiptState, Response
from tocsin.ports.system import Clock

logger = structlog.get_logger(__name__)

_YET_TO_COME_MS: Final = 86_400_000
"""A delivery that was made so much later than now is none of ours, unless our clock has leapt."""

_OBJECTIONS: Final = frozenset({ReceiptState.COMPLAINED, ReceiptState.UNSUBSCRIBED})


class Callbacks:
    """
    Takes what providers report.

    All that requests bring in one turn of the loop is one append; what it means is found out
    afterwards (`tocsin.app.receipts.step`), so a burst is answered as fast as the log takes it.
    """

    def __init__(
        self,
        fleet: Fleet,
        log: Log,
        wishes: Wishes,
        caught_up: Callable[[], Awaitable[None]],
        clock: Clock,
        wall_ms: Callable[[], int],
    ) -> None:
        """
        *caught_up* returns when what is on the log was looked at. *wall_ms* is real time: what
        came over the wire was signed and dated by that.
        """
        self._fleet = fleet
        self._providers = fleet.by_name()
        self._log = log
        self._wishes = wishes
        self._caught_up = caught_up
        self._clock = clock
        self._wall_ms = wall_ms

    def now_ms(self) -> int:
        """Return the real time at which a callback that is here now was received."""
        return self._wall_ms()

    async def receive(self, name: str, callback: Callback) -> Response:
        """
        Verify, read and keep; what it says is durable when this returns what to answer.

        Raises `NotFound` for a provider that is not configured, and what its folder raises.
        """
        wired = self._providers.get(name)
        if wired is None:
            raise NotFound("no provider of this name is configured")
        with wired.lent as provider:
            reading = await provider.read_callback(callback)
            if reading.receipts:
                await self._keep(self._reports(name, reading.receipts))
            if reading.wishes:
                await self._wish(name, reading.wishes)
            if reading.afterwards is not None:
                await reading.afterwards()
        return reading.response

    async def _keep(self, reports: Sequence[Reported]) -> None:
        await self._log.append(outputs(self._log, reports))
        if any(each.state in _OBJECTIONS for each in reports):
            # Whoever objects is heard before her provider is told so.
            await self._caught_up()

    async def _wish(self, name: str, wishes: Sequence[ChannelWish]) -> None:
        channel = self._fleet.channel_of(name)
        assert channel is not None
        now_ms, ahead_ms = self._clock.now_ms(), self._ahead_ms()
        dated = [
            replace(each, at_ms=happened_ms(each.at_ms + ahead_ms, 0, now_ms)) for each in wishes
        ]
        await self._wishes.take(name, channel, dated)

    def _ahead_ms(self) -> int:
        """Where the clock is not the wall's, what happened is dated by the clock like all else."""
        return self._clock.now_ms() - self._wall_ms()

    def _reports(self, name: str, receipts: Sequence[Receipt]) -> list[Reported]:
        """Return what is about deliveries; a reference that is none of ours never will be."""
        now_ms, ahead_ms = self._clock.now_ms(), self._ahead_ms()
        found = []
        for receipt in receipts:
            try:
                delivery = read_delivery(receipt.reference)
            except RequestRefused:
                continue
            since_ms = accepted_ms(delivery)
            if since_ms > now_ms + _YET_TO_COME_MS:
                # What lies on the log is found, and removed, by this time.
                continue
            at_ms = happened_ms(receipt.at_ms + ahead_ms, since_ms, now_ms)
            dated = msgspec.structs.replace(receipt, at_ms=at_ms)
            found.append(report_of(delivery, name, dated))
        if len(found) < len(receipts):
            logger.warning("callback_about_others", receipts=len(receipts) - len(found))
        return found
