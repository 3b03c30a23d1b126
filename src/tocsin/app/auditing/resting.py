"""Runs that a plan left at a delay or wait, and that nothing will let go on."""

from __future__ import annotations

from collections.abc import Collection

from tocsin.app.auditing.differences import Found
from tocsin.app.routing.intervals import interval_timer
from tocsin.domain.audit import Planned, Window
from tocsin.domain.ids import accepted_ms, notification_of, show_notification
from tocsin.domain.intervals import interval_key, interval_number
from tocsin.ports.state import Timers, Waits

_AT_ONCE = 1_000


class RestingStep:
    """
    Looks for what ends each interval that plans name: a plan that has, a timer, a wait, a record.

    What such a run would have delivered is planned nowhere yet, so the sums cannot miss it.
    """

    def __init__(self, timers: Timers, waits: Waits) -> None:
        self._timers = timers
        self._waits = waits

    async def __call__(
        self, window: Window, planned: Planned, on_log: Collection[bytes], found: Found
    ) -> int:
        """
        Name runs that are stuck, and return how many will go on.

        *on_log* are the keys of records that route has not handled.
        """
        begun = [each for each in planned.resting if interval_timer(each) not in planned.answered]
        left = [about for about in begun if interval_timer(about) not in on_log]
        resting = len(begun)
        for first in range(0, len(left), _AT_ONCE):
            some = left[first : first + _AT_ONCE]
            held = {timer.about for timer in await self._timers.waiting(some)}
            rest = [about for about in some if about not in held]
            runs = [notification_of(about) for about in rest]
            waits = await self._waits.of_runs(runs) if runs else ()
            held = {interval_key(each.wait.run, each.wait.interval) for each in waits}
            for about in rest:
                if about in held:
                    continue
                resting -= 1
                if accepted_ms(about) >= window.edge_ms:
                    found.settling += 1
                    continue
                number = interval_number(about)
                detail = f"interval {number} of its run has not ended, and nothing will end it"
                found.name("run", show_notification(notification_of(about)), detail)
        return resting
