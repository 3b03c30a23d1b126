"""Receipts that came before the outcome of the call that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import structlog

from tocsin.domain.ids import read_delivery, recipient_of, show_delivery
from tocsin.domain.records import Reported, decode, encode
from tocsin.domain.topics import RECEIPTS
from tocsin.ports.log import Log, Output
from tocsin.ports.state import Orphans

logger = structlog.get_logger(__name__)


class EarlyReceipts:
    """
    Keeps them until whoever hears how the call ended lets them go.

    They go back to the log, behind the outcome: one step tells of every receipt, so that each is
    told once. A crash between leaves them here; who starts next looks at all that are.
    """

    def __init__(self, log: Log, orphans: Orphans) -> None:
        self._log = log
        self._orphans = orphans

    async def keep(self, reports: Mapping[bytes, Sequence[Reported]], now_ms: int) -> None:
        """Keep those of each delivery, durably."""
        if reports:
            await self._orphans.keep(
                {
                    show_delivery(of): [encode(each) for each in some]
                    for of, some in reports.items()
                },
                now_ms,
            )

    async def of(self, deliveries: Iterable[bytes]) -> dict[bytes, list[Reported]]:
        """Return what is kept for those; of most nothing is, which costs no query."""
        return await self._kept([show_delivery(each) for each in deliveries])

    async def release(self, references: Sequence[str]) -> None:
        """
        Put back to the log what is kept for those whose calls' outcomes are durable.

        By the names that their messages carry (`show_delivery`).
        """
        kept = await self._kept(references)
        if kept:
            await self._log.append(outputs(self._log, (r for some in kept.values() for r in some)))
            await self.drop(kept)

    async def _kept(self, references: Sequence[str]) -> dict[bytes, list[Reported]]:
        kept = await self._orphans.kept(references)
        return {read_delivery(of): _reports(bodies) for of, bodies in kept.items()}

    async def drop(self, reports: Mapping[bytes, Sequence[Reported]]) -> None:
        """Forget those that have been told, or lie on the log again."""
        if reports:
            await self._orphans.drop(
                {show_delivery(of): [encode(each) for each in some] for of, some in reports.items()}
            )

    def deliveries(self) -> list[bytes]:
        """Return what something is kept for."""
        return [read_delivery(each) for each in self._orphans.references()]


def outputs(log: Log, reports: Iterable[Reported]) -> list[Output]:
    """Return *reports*, each in the partition of its recipient."""
    gathered: dict[int, list[Reported]] = {}
    for report in reports:
        partition = log.partition_of(RECEIPTS, recipient_of(report.delivery))
        gathered.setdefault(partition, []).append(report)
    return [Output(RECEIPTS, partition, some) for partition, some in gathered.items()]


def _reports(bodies: Sequence[bytes]) -> list[Reported]:
    found = []
    for body in bodies:
        record = decode(body)
        if isinstance(record, Reported):
            found.append(record)
        else:
            logger.error("receipt_unreadable")
    return found
