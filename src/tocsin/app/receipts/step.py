"""The receipts' step: what was reported, matched with the attempts that it is about."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from tocsin.app.delivering.address_health import AddressHealth, Deaths
from tocsin.app.delivering.histories import Histories
from tocsin.app.receipts.early import EarlyReceipts
from tocsin.app.receipts.reports import is_known, may_speak, news
from tocsin.domain.attempts import History
from tocsin.domain.ids import address_of, recipient_of
from tocsin.domain.records import Poison, Record, Reported, Settled
from tocsin.domain.topics import RECEIPTS
from tocsin.errors import Fenced, StorageFailed, Unavailable
from tocsin.ports.log import Log, Source, Step
from tocsin.ports.system import Clock

GROUP: Final = "receipts"

_BATCH_RECORDS: Final = 4_000
"""Of each partition. Looking for attempts costs by the time that they lie apart, not by number."""
_AGAIN_MS: Final = 200
_RECOVERED_AT_ONCE: Final = 1_000
_GATHERED_FROM: Final = 32
_GATHER_MS: Final = 20
"""
After so many the next ones gather for so long: in a burst the requests come first, and what they
bring is looked for together.
"""

logger = structlog.get_logger(__name__)

About = Mapping[bytes, Sequence[Reported]]
"""Reports by delivery."""


class Consequence(Protocol):
    """What follows from reports beside the ledger; a repeat changes nothing."""

    async def __call__(self, reports: Sequence[Reported]) -> None:
        """Do it, durably."""


@dataclass(slots=True)
class _Owned:
    """How far one partition is read."""

    partition: int
    epoch: int
    position: int


class ReceiptStep:
    """
    Reads ``receipts``, writes ``outcomes``.

    What is about no known outcome is kept aside (`EarlyReceipts`) before its position is
    committed. Only this step tells of receipts, in the order of a delivery's partition, so a
    receipt that came twice is told once. After a crash the same records are read again and come
    to the same.
    """

    def __init__(
        self,
        log: Log,
        histories: Histories,
        early: EarlyReceipts,
        health: AddressHealth,
        consequences: Sequence[Consequence],
        clock: Clock,
    ) -> None:
        self._log = log
        self._histories = histories
        self._early = early
        self._health = health
        self._consequences = consequences
        self._clock = clock
        self._owned: list[_Owned] = []
        self._begun = False
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                if not self._begun:
                    await self.begin()
                taken = await self.turn()
                if not taken:
                    await self._log.wait({(RECEIPTS, o.partition): o.position for o in self._owned})
                elif taken >= _GATHERED_FROM:
                    await self._clock.pause(_GATHER_MS)
            except (Fenced, StorageFailed):
                raise
            except Unavailable as error:
                logger.warning("receipts_wait", code=error.code)
                await self._clock.pause(_AGAIN_MS)

    def busy(self) -> bool:
        """Return whether there is a receipt that was not looked at."""
        return not self._begun or any(self._behind(each) for each in self._owned)

    async def caught_up(self) -> None:
        """Return when every receipt that is on the log by now has been told, or kept aside."""
        partitions = range(self._log.partitions)
        ends = {partition: self._log.end(RECEIPTS, partition) for partition in partitions}
        while not self._begun or any(o.position < ends[o.partition] for o in self._owned):
            self._moved.clear()
            await self._moved.wait()

    async def begin(self) -> None:
        """Take over, and look at what was kept aside by whoever was here before."""
        owned = []
        for partition in range(self._log.partitions):
            epoch, position = await self._log.acquire(GROUP, RECEIPTS, partition)
            owned.append(_Owned(partition, epoch, position))
        self._owned = owned
        kept = self._early.deliveries()
        for first in range(0, len(kept), _RECOVERED_AT_ONCE):
            await self._recover(kept[first : first + _RECOVERED_AT_ONCE])
        self._begun = True
        self._moved.set()

    async def _recover(self, deliveries: Sequence[bytes]) -> None:
        told, records = await self._matched(await self._early.of(deliveries))
        await self._histories.add(records)
        await self._early.drop(told)

    async def turn(self) -> int:
        """Take what there is, at most a batch of each partition; returns how many."""
        ends: dict[int, int] = {}
        reports: list[Reported] = []
        for one in self._owned:
            batch = await self._log.read(
                RECEIPTS, one.partition, one.position, records_max=_BATCH_RECORDS
            )
            if batch.records:
                ends[one.partition] = batch.end
                reports += _read(batch.records)
        if not ends:
            return 0
        histories = await self._histories.reported(_by_delivery(reports))
        about = _believed(reports, histories)
        believed = [each for some in about.values() for each in some]
        for consequence in self._consequences:
            await consequence(believed)
        await self._bury(about)
        told, records = await self._judge(about, histories)
        await self._commit(ends, records)
        await self._early.drop(told)
        return len(reports)

    async def _judge(
        self, about: About, histories: Mapping[bytes, History]
    ) -> tuple[About, list[Settled]]:
        """
        Return what is to be written, and which of it was kept aside.

        What is too early is kept before a second look: whoever writes its outcome after that look
        finds it.
        """
        records = _news(about, histories)
        early = {of: some for of, some in about.items() if not is_known(histories[of])}
        if not early:
            return {}, records
        await self._early.keep(early, self._clock.now_ms())
        told, more = await self._matched(early)
        return told, records + more

    async def _matched(self, about: About) -> tuple[About, list[Settled]]:
        histories = await self._histories.reported(about)
        told = {of: some for of, some in about.items() if is_known(histories[of])}
        return told, _news(told, histories)

    async def _bury(self, about: About) -> None:
        told: dict[str, Deaths] = {}
        for of, reports in about.items():
            for report in reports:
                deaths = told.setdefault(report.provider, Deaths())
                deaths.outcomes += 1
                if report.dead_address:
                    deaths.dead.add((recipient_of(of), address_of(of)))
        dying = {name: deaths for name, deaths in told.items() if deaths.dead}
        if dying:
            await self._health.bury(dying, self._clock.now_ms())

    async def _commit(self, ends: Mapping[int, int], records: Sequence[Settled]) -> None:
        sources = [
            Source(GROUP, RECEIPTS, o.partition, o.position, ends[o.partition], o.epoch)
            for o in self._owned
            if o.partition in ends
        ]
        await self._histories.commit(Step(sources, self._histories.outputs(records)))
        for one in self._owned:
            one.position = ends.get(one.partition, one.position)
        self._moved.set()

    def _behind(self, one: _Owned) -> bool:
        return one.position < self._log.end(RECEIPTS, one.partition)


def _read(records: Iterable[Record | Poison]) -> list[Reported]:
    found = []
    for record in records:
        if isinstance(record, Reported):
            found.append(record)
        else:
            logger.error("receipt_poison")
    return found


def _by_delivery(reports: Iterable[Reported]) -> dict[bytes, list[Reported]]:
    found: dict[bytes, list[Reported]] = {}
    for report in reports:
        found.setdefault(report.delivery, []).append(report)
    return found


def _believed(reports: Sequence[Reported], histories: Mapping[bytes, History]) -> About:
    """Return by delivery what was said by somebody who was given it."""
    own = [each for each in reports if may_speak(each, histories[each.delivery])]
    if len(own) < len(reports):
        logger.warning("receipts_of_others", receipts=len(reports) - len(own))
    return _by_delivery(own)


def _news(about: About, histories: Mapping[bytes, History]) -> list[Settled]:
    return [
        record
        for of, reports in about.items()
        if is_known(histories[of])
        for report in reports
        # Some were kept aside before anybody could tell whose it was.
        if may_speak(report, histories[of])
        for record in news(report, histories[of])
    ]
