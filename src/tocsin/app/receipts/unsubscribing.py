"""Who unsubscribes at a provider has switched the category off on that channel."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from tocsin.app.delivering.providers import Fleet
from tocsin.app.leaving import Leaving, switch_off
from tocsin.app.people import People
from tocsin.app.receipts.blocks import reporter
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.domain.ids import accepted_ms, event_prefix, recipient_of, workflow_index_of
from tocsin.domain.lanes import LANES
from tocsin.domain.records import Event, Reported
from tocsin.errors import NotFound
from tocsin.ports.log import Log
from tocsin.ports.receipts import ReceiptState

logger = structlog.get_logger(__name__)


class Unsubscribing:
    """
    Fills `tocsin.app.receipts.step.Consequence`, as the link in a letter would.

    Where the event is not held any more nobody can tell which category was meant, and the whole
    channel is switched off: what is *required* is sent all the same.
    """

    def __init__(self, log: Log, workflows: RunWorkflows, people: People, fleet: Fleet) -> None:
        self._log = log
        self._workflows = workflows
        self._people = people
        self._fleet = fleet

    async def __call__(self, reports: Sequence[Reported]) -> None:
        """Switch off, in the journal and durable; what is off already stays as it is."""
        for report in reports:
            if report.state != ReceiptState.UNSUBSCRIBED:
                continue
            channel = self._fleet.channel_of(report.provider)
            if channel is not None:
                category = await self._category(report.delivery)
                leaving = Leaving(recipient_of(report.delivery), channel, category)
                await switch_off(self._people, reporter(report.provider), leaving)

    async def _category(self, delivery: bytes) -> str:
        """Return the category of the workflow that sent it; empty when that cannot be told."""
        event = await self._event(event_prefix(delivery))
        index = workflow_index_of(delivery)
        if event is None or index >= len(event.workflows):
            logger.warning("unsubscribed_from_unknown")
            return ""
        key, version, _ = event.workflows[index]
        try:
            return (await self._workflows.version(key, version, event.content)).category
        except NotFound:
            return ""

    async def _event(self, prefix: bytes) -> Event | None:
        at_ms = accepted_ms(prefix)
        places = [(lane, p) for lane in LANES for p in range(self._log.partitions)]
        found = await asyncio.gather(
            *(self._log.covering(f"events.{lane}", p, at_ms) for lane, p in places)
        )
        for batches in found:
            for batch in batches:
                for record in batch.records:
                    if isinstance(record, Event) and record.key.startswith(prefix):
                        return record
        return None
