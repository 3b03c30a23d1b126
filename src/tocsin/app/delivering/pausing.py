"""Which provider carries a delivery while some are paused, and what waits for the end of a pause."""

from __future__ import annotations

from typing import NamedTuple

from tocsin.app.delivering.providers import Fleet, Wired
from tocsin.app.delivering.work import Ended, Work
from tocsin.domain.delivery import State
from tocsin.domain.pauses import UNTIL_RESUMED_MS, Pause, Pauses
from tocsin.domain.reasons import Reason
from tocsin.domain.recipient import Address


class Carrier(NamedTuple):
    """Who carries a delivery, and the pause that takes it out of the way of others, if any."""

    wired: Wired | None
    pause: Pause | None


def carrier(fleet: Fleet, pauses: Pauses, lane: str, work: Work, address: Address) -> Carrier:
    """
    Return the provider that `Fleet.choose` names, or another one while that is paused.

    Only a delivery that no provider was called for, and whose address names none, may go to
    another: the one before might have taken it.
    """
    chosen = fleet.choose(address, work.history.provider)
    if chosen is None:
        return Carrier(None, None)
    pause = _pause(pauses, lane, work, address, chosen)
    if pause is None or pause.scope.provider is None or _bound(work, address):
        return Carrier(chosen, pause)
    for other in fleet.providers.get(address.channel, ()):
        if _pause(pauses, lane, work, address, other) is None:
            return Carrier(other, None)
    return Carrier(chosen, pause)


def waits(work: Work, pause: Pause) -> Ended:
    """Return how *work* waits: until the pause ends or the message expires."""
    expires_ms = work.handoff.expires_ms
    until_ms = UNTIL_RESUMED_MS if expires_ms is None else expires_ms
    return Ended(State.DEFERRED, Reason.PAUSED, pause.rule, until_ms)


def _bound(work: Work, address: Address) -> bool:
    return work.history.provider is not None or address.provider is not None


def _pause(pauses: Pauses, lane: str, work: Work, address: Address, wired: Wired) -> Pause | None:
    return pauses.parks(
        lane,
        address.channel,
        work.handoff.workflow,
        wired.name,
        released=work.from_timer,
    )
