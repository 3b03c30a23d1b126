"""What must hold at the end of every run, whatever happened: one function each."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation import deliveries, inboxes, leaver, outside, planning, reports, waits
from tests.simulation.agreement import counts_are_items, devices_agree
from tests.simulation.final import Final
from tests.simulation.history import History
from tests.simulation.latency import critical_is_prompt
from tests.simulation.paused import nothing_while_paused

Invariant = Callable[[History, Final], list[str]]


def check(history: History, final: Final) -> list[str]:
    """Return every violation, each with the name of its invariant."""
    return [
        f"{name}: {found}"
        for name, invariant in INVARIANTS.items()
        for found in invariant(history, final)
    ]


INVARIANTS: dict[str, Invariant] = {
    **deliveries.INVARIANTS,
    **outside.INVARIANTS,
    **reports.INVARIANTS,
    "I1 settles once": planning.settles_once,
    "I1 no excuses": planning.no_excuses,
    "I1 ledger agrees": planning.ledger_agrees,
    "I2 refused leave nothing": planning.refused_leave_nothing,
    "I14 critical is prompt": critical_is_prompt,
    "paused, nothing is shown": nothing_while_paused,
    "I3 nothing unexpected": inboxes.nothing_unexpected,
    "I4 nothing twice": inboxes.nothing_twice,
    "I4 shown as decided": inboxes.shown_as_decided,
    "I5 in order": inboxes.in_order,
    "I6 one effect per key": planning.one_effect_per_key,
    "I7 refusals hold": inboxes.refusals_hold,
    "I7 cancelled is not shown": inboxes.cancelled_is_not_shown,
    "I8 quiet is kept": inboxes.quiet_is_kept,
    "I9 goes on or not": waits.goes_on_or_not,
    "I9 what was met is over": waits.what_was_met_is_over,
    "I10 timers fire once": planning.timers_fire_once,
    "I10 intervals end once": waits.intervals_end_once,
    "I7 erased are not called": leaver.erased_are_not_called,
    "I12 moves are allowed": planning.moves_are_allowed,
    "I12 trail is whole": planning.trail_is_whole,
    "I13 devices agree": devices_agree,
    "I13 counts are items": counts_are_items,
    "audit balances": planning.audit_balances,
    "plans match inputs": planning.plans_match_inputs,
}
