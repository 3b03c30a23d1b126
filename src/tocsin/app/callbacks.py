"""Callbacks of providers: verified by their folders, told to the ledger by our own reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from tocsin.app.delivering.address_health import AddressHealth, Deaths
from tocsin.app.delivering.histories import Histories
from tocsin.app.delivering.providers import Wired
from tocsin.app.delivering.receipts import packed, receipt_record
from tocsin.domain.attempts import History
from tocsin.domain.delivery import DeliveryReason, State
from tocsin.domain.ids import NotificationKey, notification_parts, read_delivery, show_delivery
from tocsin.domain.records import Settled
from tocsin.errors import NotFound, RequestRefused
from tocsin.ports.receipts import Callback, Receipt, ReceiptState, Response
from tocsin.ports.state import Orphans
from tocsin.ports.system import Clock

logger = structlog.get_logger(__name__)

_PROOF = frozenset(
    {
        ReceiptState.DELIVERED,
        ReceiptState.OPENED,
        ReceiptState.CLICKED,
        ReceiptState.ACKNOWLEDGED,
    }
)
"""What can only be said of a message that was taken."""


class Callbacks:
    """
    Takes what providers report.

    A receipt about an attempt whose outcome is not known yet, or about a reference that nobody
    knows, is kept for 24 h; whoever writes the outcome finds it. A repeat says nothing new.
    """

    def __init__(
        self,
        providers: Mapping[str, Wired],
        histories: Histories,
        orphans: Orphans,
        health: AddressHealth,
        clock: Clock,
        wall_ms: Callable[[], int],
    ) -> None:
        """*wall_ms* is real time: what came over the wire was signed and dated by that."""
        self._providers = providers
        self._histories = histories
        self._orphans = orphans
        self._health = health
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
        ahead_ms = self._clock.now_ms() - self._wall_ms()
        reading = await wired.provider.read_callback(callback)
        # Where the clock is not the wall's, what happened is dated by the clock like all else.
        about = _by_delivery([_dated(each, each.at_ms + ahead_ms) for each in reading.receipts])
        if about:
            await self._keep(name, about, callback.received_ms)
        if reading.afterwards is not None:
            await reading.afterwards()
        return reading.response

    async def _keep(
        self, name: str, about: Mapping[bytes, Sequence[Receipt]], received_ms: int
    ) -> None:
        early = await self._tell(name, about)
        for delivery in early:
            for receipt in about[delivery]:
                kept = packed(receipt)
                await self._orphans.keep(name, receipt.reference, kept, received_ms)
        await self._look_again(name, {delivery: about[delivery] for delivery in early})
        await self._bury(name, about)

    async def _tell(self, name: str, about: Mapping[bytes, Sequence[Receipt]]) -> Sequence[bytes]:
        """Write down what is about known outcomes; returns those it is too early for."""
        histories = await self._histories.of(about)
        records: list[Settled] = []
        early = []
        for delivery, receipts in about.items():
            history = histories[delivery]
            if not _is_known(history):
                early.append(delivery)
                continue
            for receipt in receipts:
                records += _news(delivery, name, receipt, history)
        await self._histories.add(records)
        return early

    async def _look_again(self, name: str, kept: Mapping[bytes, Sequence[Receipt]]) -> None:
        """
        Tell what became known between the look and the keeping, unless its finder has.

        Whoever takes a kept receipt tells of it, so it is told once.
        """
        histories = await self._histories.of(kept)
        ready = [delivery for delivery, history in histories.items() if _is_known(history)]
        taken = await self._orphans.take([(name, show_delivery(each)) for each in ready])
        await self._tell(
            name, {each: kept[each] for each in ready if (name, show_delivery(each)) in taken}
        )

    async def _bury(self, name: str, about: Mapping[bytes, Sequence[Receipt]]) -> None:
        dead = {
            (notification_parts(NotificationKey(d[:16])).recipient, int.from_bytes(d[17:19], "big"))
            for d, receipts in about.items()
            if any(receipt.dead_address for receipt in receipts)
        }
        await self._health.bury({name: Deaths(dead, len(about))}, self._clock.now_ms())


def _dated(receipt: Receipt, at_ms: int) -> Receipt:
    return msgspec.structs.replace(receipt, at_ms=at_ms)


def _is_known(history: History) -> bool:
    """Return whether a call was made and it is written how it ended."""
    return history.last is not None and history.open is None


def _by_delivery(receipts: Sequence[Receipt]) -> dict[bytes, list[Receipt]]:
    """Sort by what they are about; a reference that is none of ours can never be matched."""
    found: dict[bytes, list[Receipt]] = {}
    foreign = 0
    for receipt in receipts:
        try:
            delivery = read_delivery(receipt.reference)
        except RequestRefused:
            foreign += 1
            continue
        found.setdefault(delivery, []).append(receipt)
    if foreign:
        logger.warning("callback_about_others", receipts=foreign)
    return found


def _news(delivery: bytes, name: str, receipt: Receipt, history: History) -> list[Settled]:
    """Return the records of a receipt; one that was told before has none."""
    attempt = history.last
    assert attempt is not None
    record = receipt_record(delivery, attempt.lane, attempt.channel, name, receipt)
    if (name, record.state, record.reason) in history.receipts:
        return []
    records = [record]
    if not history.ended and receipt.state in _PROOF:
        # Its answer was lost, and this shows that it was taken after all: no other attempt.
        reason = DeliveryReason.ACCEPTED
        proof = Settled(
            delivery,
            attempt.lane,
            attempt.channel,
            State.SENT,
            reason,
            receipt.at_ms,
            provider=name,
            receipt=True,
        )
        records.insert(0, proof)
    for each in records:
        history.take(each)
    return records
