"""What waits for the end of a pause."""

from __future__ import annotations

from tocsin.app.delivering.work import Ended, Work
from tocsin.domain.delivery import State
from tocsin.domain.pauses import UNTIL_RESUMED_MS, Pause
from tocsin.domain.reasons import Reason


def waits(work: Work, pause: Pause) -> Ended:
    """Return how *work* waits: until the pause ends or the message expires."""
    expires_ms = work.handoff.expires_ms
    until_ms = UNTIL_RESUMED_MS if expires_ms is None else expires_ms
    return Ended(State.DEFERRED, Reason.PAUSED, pause.rule, until_ms)
