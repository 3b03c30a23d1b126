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
from tests.simulation.plant import Plant, any_of
from tests.simulation.plants_delivery import DELIVERY_PLANTS

PLANTS: dict[str, Plant] = {
    **DELIVERY_PLANTS,
    "position committed before outputs": Plant(
        violates=any_of("I1 settles once"), log=PositionFirst
    ),
    "position committed before outputs, seen by position": Plant(
        violates=any_of("plans match inputs"), log=PositionFirst
    ),
    "dedup owner not repeatable": Plant(
        violates=any_of("I1 settles once"), ports=(("deduplication", ClaimedAnew),)
    ),
    "timer retired before its record": Plant(
        violates=any_of("I1 settles once"), ports=(("timers", FiredFirst),)
    ),
    "recipients read half-way": Plant(
        violates=any_of("I1 no excuses"), ports=(("recipients", HalfAway),)
    ),
    "the audit after a loss": Plant(violates=any_of("audit balances"), log=PositionFirst),
    "the ledger overlooks items": Plant(
        violates=any_of("I1 ledger agrees"),
        ledger=PartialLedger,
    ),
    "refused but kept": Plant(violates=any_of("I2 refused leave nothing"), log=EventKept),
    "somebody else's inbox": Plant(violates=any_of("I3 nothing unexpected"), inbox=Misaddressed),
    "deduplication forgets": Plant(
        violates=any_of("I4 nothing twice"), ports=(("deduplication", ForgetfulDeduplication),)
    ),
    "an item is not where it was decided to be": Plant(
        violates=any_of("I4 shown as decided"), inbox=Misaddressed
    ),
    "events of one key on any partition": Plant(
        violates=any_of("I5 in order"), log=Scattered, partitions=3
    ),
    "idempotency keys forgotten": Plant(
        violates=any_of("I6 one effect per key"),
        ports=(("idempotency", UnguardedKeys),),
        accept=WithoutIds,
    ),
    "suppressions not looked at": Plant(
        violates=any_of("I7 refusals hold"), ports=(("suppressions", UnlistedRefusals),)
    ),
    "pauses not looked at": Plant(
        violates=any_of("paused, nothing is shown"), ports=(("pauses", Unpaused),)
    ),
    "cancel read, then acted": Plant(
        violates=any_of("I7 cancelled is not shown"), ports=(("claims", CancelTold),)
    ),
    "quiet hours not looked at": Plant(violates=any_of("I8 quiet is kept"), quiet_hours=False),
    "timers answered twice": Plant(
        violates=any_of("I10 timers fire once"),
        ports=(("timers", UnguardedTimers), ("deduplication", ForgetfulDeduplication)),
    ),
    "settled ones move again": Plant(
        violates=any_of("I12 moves are allowed"),
        ports=(("timers", UnguardedTimers), ("deduplication", ForgetfulDeduplication)),
    ),
    "a wait goes on and is over": Plant(
        violates=any_of("I9 what was met is over"), ports=(("claims", EverybodyFirst),)
    ),
    "a wait goes on twice": Plant(
        violates=any_of("I9 goes on or not"),
        ports=(("timers", UnguardedTimers), ("deduplication", ForgetfulDeduplication)),
    ),
    "an interval ended twice": Plant(
        violates=any_of("I10 intervals end once"),
        ports=(("timers", UnguardedTimers), ("deduplication", ForgetfulDeduplication)),
    ),
    "trail tampered with": Plant(
        violates=any_of("I12 trail is whole"), ports=(("trail", TamperedTrail),)
    ),
    "resume forgets one": Plant(violates=any_of("I13 devices agree"), inbox=LostMissed),
    "counts incremented blindly": Plant(violates=any_of("I13 counts are items"), inbox=BlindCounts),
}
