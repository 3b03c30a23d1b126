"""Inputs about an event routed before: holds and intervals that ended, people of a large audience."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from pyroaring import BitMap

from tocsin.app.lookup import EventLookup, EventPlace
from tocsin.app.routing.inputs import BEGINNING, Input, Only, Over, Run
from tocsin.app.routing.workflows import RunWorkflows
from tocsin.domain.audience import RecipientTerm, decode_terms
from tocsin.domain.intervals import SCHEDULED
from tocsin.domain.records import LATER_INPUTS, Continue, Event, Individuals, Release

_decoder = msgspec.json.Decoder()


class _About(NamedTuple):
    """An input with the place of its event."""

    entry: Input
    place: EventPlace
    record: Release | Individuals | Continue


class AgainStep:
    """Gives such inputs their event, and the one run that they are about."""

    def __init__(self, events: EventLookup, workflows: RunWorkflows) -> None:
        self._events = events
        self._workflows = workflows

    async def __call__(self, inputs: Sequence[Input]) -> None:
        """Fill in event and run; an input whose event is not kept any more is a repeat."""
        others = [entry for entry in inputs if type(entry.record) is not Event]
        about = [found for entry in others if (found := _about(entry)) is not None]
        if not about:
            return
        events = await self._events(each.place for each in about)
        for entry, place, record in about:
            event = events.get(place)
            if event is None:
                entry.repeat = True
                continue
            entry.event, entry.event_position = event, place[2]
            entry.runs.append(await self._run(event, record))

    async def _run(self, event: Event, record: Release | Individuals | Continue) -> Run:
        wanted = record.workflow_index
        key, version, index = next(each for each in event.workflows if each[2] == wanted)
        workflow = await self._workflows.version(key, version, event.content)
        if isinstance(record, Continue) and not record.recipient:
            return Run(workflow, index)
        return Run(workflow, index, only=_only(record), own_data=own_data(event))


def _only(record: Release | Individuals | Continue) -> Only:
    match record:
        case Release():
            numbers = BitMap([record.recipient])
            return Only(numbers, record.step, record.address, record.profile_version)
        case Continue():
            over = Over(record.interval, record.made)
            return Only(BitMap([record.recipient]), BEGINNING, over=over)
        case _:
            begins = Over(SCHEDULED, ()) if record.step == BEGINNING else None
            return Only(BitMap(record.recipients), record.step, over=begins)


def own_data(event: Event) -> dict[str, object]:
    """Return the data that is one recipient's alone, by id, decoded."""
    if event.audience is None or b'"data"' not in event.audience:
        return {}
    return {
        term.id: _decoder.decode(term.data)
        for term in decode_terms(event.audience)
        if isinstance(term, RecipientTerm) and term.data is not None
    }


def _about(entry: Input) -> _About | None:
    record = entry.record
    if entry.repeat or not isinstance(record, LATER_INPUTS):
        return None
    place = (record.event_lane, record.event_partition, record.event_position)
    return _About(entry, place, record)
