"""Plans and events that name a recipient: overwritten where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from tocsin.domain.erasure import bare_event, bare_plan, told
from tocsin.domain.records import Event, Plan, Record
from tocsin.ports.cache import Blobs
from tocsin.ports.keeping import Leaver, LogKeeping
from tocsin.ports.log import Log, Place
from tocsin.ports.views import LedgerView

_SLICE: Final = 200
_ALL: Final = 1 << 40


class Overwritten(NamedTuple):
    """What came of it."""

    records: int
    shared: int
    """Events that others were told of, too: their content stays."""


class EraseHistory:
    """Finds them by the ledger's index, which names every plan about a person."""

    def __init__(self, log: Log, keeping: LogKeeping, ledger: LedgerView, blobs: Blobs) -> None:
        self._log = log
        self._keeping = keeping
        self._ledger = ledger
        self._blobs = blobs

    async def __call__(self, leaver: Leaver) -> Overwritten:
        """Overwrite all; the plans of one event are looked at together."""
        found = await self._ledger.notifications_of(leaver.number, before_ms=None, limit=_ALL)
        done = shared = 0
        places = [(f"plans.{lane}", partition, position) for lane, partition, position in found]
        for some in _by_event(places, await self._events_of(places)):
            records, more = await self._overwrite(some, leaver)
            done, shared = done + records, shared + more
        return Overwritten(done, shared)

    async def _events_of(self, places: Sequence[Place]) -> Mapping[Place, Place]:
        """Return where the event of each plan lies."""
        found: dict[Place, Place] = {}
        for first in range(0, len(places), _SLICE):
            plans = await self._log.pick(places[first : first + _SLICE])
            for place, plan in plans.items():
                if isinstance(plan, Plan):
                    lane = place[0].removeprefix("plans.")
                    found[place] = (f"events.{lane}", place[1], plan.event_position)
        return found

    async def _overwrite(
        self, events: Mapping[Place, Sequence[Place]], leaver: Leaver
    ) -> tuple[int, int]:
        wanted = [place for plans in events.values() for place in plans]
        held = await self._log.pick([*wanted, *events])
        records: dict[Place, Record] = {}
        payloads: list[str] = []
        shared = 0
        for at, places in events.items():
            plans = {p: plan for p in places if isinstance(plan := held.get(p), Plan)}
            for place, plan in plans.items():
                records[place] = bare_plan(plan, leaver.number, leaver.name)
            event = held.get(at)
            if isinstance(event, Event):
                alone = _alone(list(plans.values()), leaver.number)
                records[at] = bare_event(event, leaver.id, leaver.name, alone=alone)
                shared += not alone
                if alone and event.data_ref is not None:
                    payloads.append(event.data_ref)
        await self._blobs.delete(payloads)
        return await self._keeping.overwrite(records), shared


def _alone(plans: Sequence[Plan], number: int) -> bool:
    """Whether the event's own plan is among *plans*, and they name nobody else."""
    own = any(plan.input_key == plan.event for plan in plans)
    fanned = any(run.fanout is not None for plan in plans for run in plan.runs)
    return own and not fanned and told(plans) == {number}


def _by_event(
    places: Sequence[Place], events: Mapping[Place, Place]
) -> Sequence[Mapping[Place, Sequence[Place]]]:
    gathered: dict[Place, list[Place]] = {}
    for place in places:
        if place in events:
            gathered.setdefault(events[place], []).append(place)
    items = list(gathered.items())
    return [dict(items[first : first + _SLICE]) for first in range(0, len(items), _SLICE)]
