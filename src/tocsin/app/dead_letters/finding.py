"""Which event, workflow and profile a dead letter is about: all of it is in its id and the log."""

from __future__ import annotations

from typing import Final

from tocsin.app.history.finding import Finder, LaneEvent
from tocsin.domain.dead_letters import DeadLetter
from tocsin.domain.history import Note, Planned, notes
from tocsin.domain.ids import event_prefix, notification_of, workflow_index_of

GONE: Final = "its event is not kept any more"


class Origins:
    """
    Finds where letters come from, each event once.

    Made for one slice of them, since it keeps what it has found.
    """

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._events: dict[tuple[bytes, str], LaneEvent | None] = {}
        self._notes: dict[tuple[bytes, str], dict[bytes, Note]] = {}

    async def event(self, letter: DeadLetter) -> LaneEvent | None:
        """Return the event of a delivery in its lane, with the plans about it, while it is kept."""
        place = (event_prefix(letter.key), letter.lane)
        if place not in self._events:
            lanes = await self._finder.event(place[0])
            self._events[place] = next((e for e in lanes if e.lane == letter.lane), None)
        return self._events[place]

    async def planned(self, letter: DeadLetter) -> Planned | None:
        """Return the decision about a delivery; None where a fan-out's chunk holds it."""
        found = await self.event(letter)
        if found is None:
            return None
        place = (event_prefix(letter.key), letter.lane)
        if place not in self._notes:
            self._notes[place] = notes(found.lane, found.runs())
        note = self._notes[place].get(notification_of(letter.key))
        decided = note.deliveries if note is not None else ()
        return next((each for each in decided if each.delivery == letter.key), None)


def run_of(letter: DeadLetter, found: LaneEvent) -> tuple[str, int, int] | None:
    """Return (workflow, version, index) of the run that a delivery belongs to."""
    index = workflow_index_of(letter.key)
    return next((each for each in found.event.workflows if each[2] == index), None)
