"""Pausing and resuming, as operators do it: checked, counted at once, audited."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from tocsin.app.callers import Principal
from tocsin.app.pausing.gate import PauseGate
from tocsin.app.trail import Notes
from tocsin.domain.lanes import LANES
from tocsin.domain.pauses import Pause, Scope, queue_of
from tocsin.errors import Conflict, FieldProblem, Forbidden, NotFound, RequestRefused
from tocsin.ports.state import PauseRows
from tocsin.ports.system import Chance, Clock

PAUSES_MAX: Final = 100
"""Each is looked at for every delivery."""

COUNTED_MAX: Final = 1_000_000


class Paused(NamedTuple):
    """A pause, and how many deliveries it has parked."""

    pause: Pause
    parked: int


class Known(NamedTuple):
    """What may be named."""

    channels: Callable[[], Collection[str]]
    workflows: Callable[[], Collection[str]]
    providers: Callable[[], Collection[str]]


class PauseDesk:
    """Makes, lists and ends pauses."""

    def __init__(
        self,
        rows: PauseRows,
        gate: PauseGate,
        known: Known,
        notes: Notes,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._rows = rows
        self._gate = gate
        self._known = known
        self._notes = notes
        self._clock = clock
        self._chance = chance

    async def pause(self, by: Principal, scope: Scope, reason: str) -> Pause:
        """
        Pause; once this has returned, nothing that it concerns is begun in this process.

        Raises `RequestRefused` for what is not known here: a misspelt name would stop nothing.
        """
        self._check(scope)
        _check_limits(by, scope)
        if len(await self._rows.in_force()) >= PAUSES_MAX:
            raise Conflict(f"{PAUSES_MAX} pauses are in force; end one of them first")
        pause = Pause(
            id=f"pau_{self._chance.bytes(6).hex()}",
            scope=scope,
            reason=reason,
            by=by.name,
            at_ms=self._clock.now_ms(),
        )
        await self._rows.add(pause)
        await self._gate.refresh()
        await self._notes.add(by, "pause", f"pause/{pause.id}", f"{scope.words()}: {reason}")
        return pause

    async def resume(self, by: Principal, id: str, reason: str) -> Paused:
        """End a pause; returns it with how much is on its way out. Raises `NotFound`."""
        found = next((each for each in await self._rows.in_force() if each.id == id), None)
        if found is None:
            raise NotFound("there is no pause with this id that is in force")
        _check_limits(by, found.scope)
        # Before it ends: its rows may be on their way out before anything else is done here.
        parked = (await self._counted(found)).parked
        ended = await self._rows.end(id, by.name, self._clock.now_ms())
        if ended is None:
            raise NotFound("there is no pause with this id that is in force")
        await self._gate.refresh()
        await self._notes.add(by, "resume", f"pause/{id}", reason)
        return Paused(ended, parked)

    async def all(self) -> Sequence[Paused]:
        """Return the pauses in force, oldest first."""
        return [await self._counted(pause) for pause in await self._rows.in_force()]

    async def _counted(self, pause: Pause) -> Paused:
        queues = [queue_of(pause.id, handed=handed) for handed in (False, True)]
        counts = [await self._rows.count(queue, COUNTED_MAX) for queue in queues]
        return Paused(pause, sum(counts))

    def _check(self, scope: Scope) -> None:
        if scope.empty:
            raise RequestRefused("name a lane, a channel, a workflow or a provider")
        known = (
            ("lane", scope.lane, LANES),
            ("channel", scope.channel, self._known.channels()),
            ("workflow", scope.workflow, self._known.workflows()),
            ("provider", scope.provider, self._known.providers()),
        )
        problems = tuple(
            FieldProblem(f"/{name}", f"unknown_{name}", f"there is no such {name} here")
            for name, value, names in known
            if value is not None and value not in names
        )
        if problems:
            raise RequestRefused("a field is wrong, see errors", errors=problems)


def _check_limits(by: Principal, scope: Scope) -> None:
    """A limited key may stop no more than what it reaches."""
    limits = by.limits
    limits.check(workflow=scope.workflow, lane=scope.lane)
    if limits.workflows and scope.workflow is None:
        raise Forbidden("the key is limited to certain workflows; name one of them")
    if limits.lanes and scope.lane is None:
        raise Forbidden("the key is limited to certain lanes; name one of them")
    if limits.categories or limits.sources:
        raise Forbidden("a key that is limited to categories or sources cannot pause")
