"""What a record leaves out: the event, the workflow and the recipient of a status."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from tocsin.domain.ids import accepted_ms, event_prefix, recipient_of
from tocsin.domain.records import Plan
from tocsin.domain.statuses import Status
from tocsin.ports.log import Log
from tocsin.ports.state import Recipients

_HELD: Final = 20_000

_Run = tuple[bytes, str]
"""(event, workflow)."""


class Describing:
    """Finds it in bulk; what was found of a run is held for those that follow."""

    def __init__(self, log: Log, recipients: Recipients) -> None:
        self._log = log
        self._recipients = recipients
        self._runs: OrderedDict[bytes, _Run] = OrderedDict()
        """By the first 11 bytes of a notification's key: the event's prefix and the run's index."""

    def see(self, plan: Plan) -> None:
        """Learn from a plan that passes by."""
        for run in plan.runs:
            if run.notifications or run.fanout is not None:
                self._runs[event_prefix(plan.event) + bytes((run.index,))] = (
                    plan.event,
                    run.workflow,
                )
        while len(self._runs) > _HELD:
            self._runs.popitem(last=False)

    async def complete(self, statuses: Sequence[Status]) -> list[Status]:
        """Return *statuses* with all that can be found; what is gone stays as it is."""
        await self._find(each for each in statuses if not each.workflow)
        numbers = {_recipient(each) for each in statuses if each.recipient is None}
        people = await self._recipients.by_number(list(numbers)) if numbers else {}
        completed = []
        for each in statuses:
            event, workflow = self._runs.get(each.delivery[:11], (each.event, each.workflow))
            recipient = each.recipient
            if recipient is None and (one := people.get(_recipient(each))) is not None:
                recipient = None if one.erased else one.id
            completed.append(
                msgspec.structs.replace(each, event=event, workflow=workflow, recipient=recipient)
            )
        return completed

    async def _find(self, statuses: Iterable[Status]) -> None:
        """Look plans up by the time at which their events were accepted."""
        looked: set[tuple[str, int]] = set()
        for each in statuses:
            where = (f"plans.{each.lane}", accepted_ms(each.delivery))
            if each.delivery[:11] in self._runs or where in looked:
                continue
            looked.add(where)
            for partition in range(self._log.partitions):
                for batch in await self._log.covering(where[0], partition, where[1]):
                    for plan in batch.records:
                        if isinstance(plan, Plan):
                            self.see(plan)


def _recipient(status: Status) -> int:
    return recipient_of(status.delivery)
