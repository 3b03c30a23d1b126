"""Bugs that are planted on purpose: the simulation must find each of them."""

from __future__ import annotations

from tests.simulation.broken import (
    BlindCounts,
    CancelTold,
    ClaimedAnew,
    EventKept,
    EverybodyFirst,
    FiredFirst,
    ForgetfulDeduplication,
    HalfAway,
    LostMissed,
    Misaddressed,
    PartialLedger,
    PositionFirst,
    Scattered,
    TamperedTrail,
    UnguardedKeys,
    UnguardedTimers,
    UnlistedRefusals,
    Unpaused,
    WithoutIds,
)
from tests.simulation.plant import Plant
from tests.simulation.plants_delivery import DELIVERY_PLANTS


def _of(*names: str) -> frozenset[str]:
    return frozenset(names)


PLANTS: dict[str, Plant] = {
    **DELIVERY_PLANTS,
    "position committed before outputs": Plant(violates=_of("I1 settles once"), log=PositionFirst),
    "position committed before outputs, seen by position": Plant(
        violates=_of("plans match inputs"), log=PositionFirst
    ),
    "dedup owner not repeatable": Plant(
        violates=_of("I1 settles once"), ports=(("deduplication", ClaimedAnew),)
    ),
    "timer retired before its record": Plant(
        violates=_of("I1 settles once"), ports=(("timers", FiredFirst),)
    ),
    "recipients read half-way": Plant(
        violates=_of("I1 no excuses"), ports=(("recipients", HalfAway),)
    ),
    "the audit after a loss": Plant(violates=_of("audit balances"), log=PositionFirst),
    "the ledger overlooks items": Plant(
        violates=_of("I1 ledger agrees"),
        ledger=PartialLedger,
    ),
    "refused but kept": Plant(violates=_of("I2 refused leave nothing"), log=EventKept),
    "somebody else's inbox": Plant(violates=_of("I3 nothing unexpected"), inbox=Misaddressed),
    "deduplication forgets": Plant(
        violates=_of("I4 nothing twice"), ports=(("deduplication", ForgetfulDeduplication),)
    ),
    "an item is not where it was decided to be": Plant(
        violates=_of("I4 shown as decided"), inbox=Misaddressed
    ),
    "events of one key on any partition": Plant(
        violates=_of("I5 in order"), log=Scattered, partitions=3
    ),
    "idempotency keys forgotten": Plant(
        violates=_of("I6 one effect per key"),
        ports=(("idempotency", UnguardedKeys),),
        accept=WithoutIds,
    ),
    "suppressions not looked at": Plant(
        violates=_of("I7 refusals hold"), ports=(("suppressions", UnlistedRefusals),)
    ),
    "pauses not looked at": Plant(
        violates=_of("paused, nothing is shown"), ports=(("pauses", Unpaused),)
    ),
    "cancel read, then acted": Plant(
        violates=_of("I7 cancelled is not shown"), ports=(("claims", CancelTold),)
    ),
    "quiet hours not looked at": Plant(violates=_of("I8 quiet is kept"), quiet_hours=False),
    "timers answered twice": Plant(
        violates=_of("I10 timers fire once"),
        ports=(("timers", UnguardedTimers), ("deduplication", ForgetfulDeduplication)),
    ),
    "settled ones move again": Plant(
        violates=_of("I12 moves are allowed"),
        ports=(("timers", UnguardedTimers), ("deduplication", ForgetfulDeduplication)),
    ),
    "a wait goes on and is over": Plant(
        violates=_of("I9 what was met is over"), ports=(("claims", EverybodyFirst),)
    ),
    "a wait goes on twice": Plant(
        violates=_of("I9 goes on or not"),
        ports=(("timers", UnguardedTimers), ("deduplication", ForgetfulDeduplication)),
    ),
    "an interval ended twice": Plant(
        violates=_of("I10 intervals end once"),
        ports=(("timers", UnguardedTimers), ("deduplication", ForgetfulDeduplication)),
    ),
    "trail tampered with": Plant(
        violates=_of("I12 trail is whole"), ports=(("trail", TamperedTrail),)
    ),
    "resume forgets one": Plant(violates=_of("I13 devices agree"), inbox=LostMissed),
    "counts incremented blindly": Plant(violates=_of("I13 counts are items"), inbox=BlindCounts),
}
