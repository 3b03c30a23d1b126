"""Which provider carries a message, and which one after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tocsin.app.delivering.providers import Fleet, Wired
from tocsin.app.delivering.rates import Way
from tocsin.app.delivering.turnstiles import Turnstiles
from tocsin.app.delivering.work import Work
from tocsin.domain.lanes import Lane
from tocsin.domain.pauses import NO_PAUSES, Pause, Pauses
from tocsin.domain.provider_routes import ProviderRoute, parts, ranking, route_of
from tocsin.domain.records.deliveries import Considered


class Choice(msgspec.Struct, frozen=True):
    """
    Who carries a message and which way, or the pause that keeps it; nobody: all None.

    ``route`` and ``considered`` say how that came about, where there was a choice.
    """

    wired: Wired | None = None
    way: Way | None = None
    pause: Pause | None = None
    route: str = ""
    considered: tuple[Considered, ...] = ()


_NOBODY: Final = Choice()


class Choosing:
    """
    The providers of one channel by its routes, for one lane.

    An address may name its provider. Who may have taken a message without our hearing of it keeps
    it: another one would send it a second time. Else whoever fails, or is paused, is passed over.
    """

    def __init__(
        self,
        fleet: Fleet,
        channel: str,
        lane: Lane,
        turnstiles: Turnstiles,
        shares: Mapping[str, float],
    ) -> None:
        """*shares* are those of providers that are not well, as of now."""
        self._channel = channel
        self._lane = lane
        self._providers = {wired.name: wired for wired in fleet.providers.get(channel, ())}
        self._routes = fleet.routes_of(channel)
        self._turnstiles = turnstiles
        self._shares = shares

    def choose(self, work: Work, pauses: Pauses, now_ms: int) -> Choice:
        """Return who carries *work*: the first that can be called, else who comes first."""
        bound = work.history.bound or _named(work)
        if bound is not None:
            return self._only(bound, work, pauses)
        route = self._route(work)
        if len(route.providers) == 1:
            return self._only(route.providers[0], work, pauses)
        names = ranking(route, self._shares, work.delivery)
        tried = work.history.tried if work.history.again else ()
        left = [name for name in names if name not in tried] or names
        choice, passed = self._first(left, work, pauses, now_ms)
        if choice.wired is None:
            return choice
        passed |= {name: "not_taken" for name in tried if name not in left}
        considered = self._considered(route, names, passed, choice.wired.name)
        return msgspec.structs.replace(choice, route=route.name, considered=considered)

    def another(self, work: Work, now_ms: int) -> bool:
        """Return whether *work*, not taken by its provider, can go to another one at once."""
        if work.history.bound is not None or _named(work) is not None:
            return False
        turnstiles, name = self._turnstiles, work.wired.name if work.wired is not None else None
        tried = {name, *work.history.tried}
        return any(
            turnstiles.passable(turnstiles.way(wired, work.opened), now_ms)
            for each in self._route(work).providers
            if each not in tried and (wired := self._providers.get(each)) is not None
        )

    def _only(self, name: str, work: Work, pauses: Pauses) -> Choice:
        """Return the choice where there is none: *name*, called or waited for."""
        wired = self._providers.get(name)
        if wired is None:
            return _NOBODY
        pause = self._pause(work, pauses, wired)
        if pause is not None:
            return Choice(pause=pause)
        return Choice(wired, self._turnstiles.way(wired, work.opened))

    def _first(
        self, names: Sequence[str], work: Work, pauses: Pauses, now_ms: int
    ) -> tuple[Choice, dict[str, str]]:
        """Return the choice among *names*, and why those were passed over that came before."""
        first = _NOBODY
        passed: dict[str, str] = {}
        for name in names:
            wired = self._providers.get(name)
            if wired is None:
                continue
            pause = self._pause(work, pauses, wired)
            if pause is not None:
                first = first if first.wired is not None else Choice(pause=first.pause or pause)
                passed[name] = "paused"
                continue
            way = self._turnstiles.way(wired, work.opened)
            granted = work.passed is not None and work.passed.way == way
            if granted or self._turnstiles.passable(way, now_ms):
                return Choice(wired, way), passed
            first = first if first.wired is not None else Choice(wired, way)
            passed[name] = "open"
        return first, passed

    def _considered(
        self,
        route: ProviderRoute,
        names: Sequence[str],
        passed: Mapping[str, str],
        chosen: str,
    ) -> tuple[Considered, ...]:
        """Say in the order of asking what spoke against each, and how much each is given."""
        given = parts(route, self._shares)
        found = []
        for name in names:
            why = "chosen" if name == chosen else passed.get(name, "")
            found.append((name, why, round(100 * given[name])))
        return tuple(found)

    def _pause(self, work: Work, pauses: Pauses, wired: Wired) -> Pause | None:
        if pauses is NO_PAUSES:
            return None
        workflow = work.handoff.workflow
        return pauses.parks(
            self._lane, self._channel, workflow, wired.name, released=work.from_timer
        )

    def _route(self, work: Work) -> ProviderRoute:
        if len(self._routes) == 1:
            return self._routes[0]
        tenant = None if work.event is None else work.event.tenant
        return route_of(self._routes, work.opened, tenant)


def _named(work: Work) -> str | None:
    return None if work.address is None else work.address.provider
