"""Which provider carries a message, and which one after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tocsin.app.delivering.providers import Fleet, Wired
from tocsin.app.delivering.rates import Way
from tocsin.app.delivering.turnstiles import Turnstiles
from tocsin.app.delivering.work import Work
from tocsin.domain.lanes import Lane
from tocsin.domain.pauses import NO_PAUSES, Pause, Pauses


class Choice(NamedTuple):
    """Who carries a message and which way, or the pause that keeps it; nobody: all None."""

    wired: Wired | None = None
    way: Way | None = None
    pause: Pause | None = None


class Choosing:
    """
    The providers of one channel, in the order of the configuration, for one lane.

    An address may name its provider. Who may have taken a message without our hearing of it keeps
    it: another one would send it a second time. Else whoever fails, or is paused, is passed over.
    """

    def __init__(self, fleet: Fleet, channel: str, lane: Lane, turnstiles: Turnstiles) -> None:
        self._channel = channel
        self._lane = lane
        self._providers = fleet.providers.get(channel, ())
        self._order = [wired for wired in self._providers if not wired.on_request]
        self._turnstiles = turnstiles

    def choose(self, work: Work, pauses: Pauses, now_ms: int) -> Choice:
        """Return who carries *work*: the first that can be called, else who comes first."""
        first = Choice()
        for wired in self._candidates(work):
            pause = self._pause(work, pauses, wired)
            if pause is not None:
                first = first if first.wired is not None else Choice(pause=first.pause or pause)
                continue
            way = self._turnstiles.way(wired, work.opened)
            granted = work.passed is not None and work.passed.way == way
            if granted or self._turnstiles.passable(way, now_ms):
                return Choice(wired, way)
            first = first if first.wired is not None else Choice(wired, way)
        return first

    def another(self, work: Work, now_ms: int) -> bool:
        """Return whether *work*, not taken by its provider, can go to another one at once."""
        if work.history.bound is not None or _named(work) is not None:
            return False
        turnstiles, name = self._turnstiles, work.wired.name if work.wired is not None else None
        tried = {name, *work.history.tried}
        return any(
            turnstiles.passable(turnstiles.way(wired, work.opened), now_ms)
            for wired in self._order
            if wired.name not in tried
        )

    def _pause(self, work: Work, pauses: Pauses, wired: Wired) -> Pause | None:
        if pauses is NO_PAUSES:
            return None
        workflow = work.handoff.workflow
        return pauses.parks(
            self._lane, self._channel, workflow, wired.name, released=work.from_timer
        )

    def _candidates(self, work: Work) -> Sequence[Wired]:
        history = work.history
        bound = history.bound or _named(work)
        if bound is not None:
            return [wired for wired in self._providers if wired.name == bound]
        tried = history.tried if history.again else ()
        left = [wired for wired in self._order if wired.name not in tried]
        return left or self._order


def _named(work: Work) -> str | None:
    return work.address.provider if work.address is not None else None
