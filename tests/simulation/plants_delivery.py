"""Bugs that are planted where messages are delivered, each with the invariant that must notice."""

from __future__ import annotations

from tests.simulation.broken import (
    EventKept,
    ForgetfulDeduplication,
    UnlistedRefusals,
    Unpaused,
)
from tests.simulation.broken_delivery import (
    Backwards,
    CancelsCalls,
    Credulous,
    CriticalLast,
    DeafToChoices,
    EarlyTimers,
    ElsewhereCalled,
    Everlasting,
    KeptAlive,
    LostIsRefused,
    LostOutcomes,
    LostReceipts,
    NobodyGone,
    OldEpochs,
    OtherWords,
    OverlooksOutcomes,
    RepeatedOutcomes,
    SignedByOthers,
    Talkative,
    UnaskedLetters,
    UnretiredLetters,
    UnwrittenAttempts,
)
from tests.simulation.plant import Plant, any_of

DELIVERY_PLANTS: dict[str, Plant] = {
    "how calls ended is lost": Plant(
        violates=any_of("I1 deliveries settle once"), log=LostOutcomes
    ),
    "the ledger overlooks outcomes": Plant(
        violates=any_of("I1 ledger counts deliveries"), ledger=OverlooksOutcomes
    ),
    "a replay is done again": Plant(
        violates=any_of("I1 handed over once"),
        ports=(("dead_letters", UnretiredLetters), ("deduplication", ForgetfulDeduplication)),
    ),
    "attempts not written": Plant(violates=any_of("I2 calls were written"), log=UnwrittenAttempts),
    "somebody else is called": Plant(
        violates=any_of("I3 calls are meant"), provider=ElsewhereCalled
    ),
    "lost answers taken for refusals": Plant(
        violates=any_of("I4 repeats are of unknown"), provider=LostIsRefused
    ),
    "hand-offs read backwards": Plant(violates=any_of("I5 calls in order"), log=Backwards),
    "suppressions not looked at before a call": Plant(
        violates=any_of("I7 refused are not called"), ports=(("suppressions", UnlistedRefusals),)
    ),
    "an erasure that nobody hears of": Plant(
        violates=any_of("I7 erased are not called"),
        ports=(("gone", NobodyGone), ("recipients", KeptAlive)),
    ),
    "tried again too early": Plant(
        violates=any_of("I11 attempts keep their time"),
        ports=(("timers", EarlyTimers),),
        # Or the provider's turnstile would hold back whoever comes too early.
        settings=(("retry_cap_ms", 1),),
    ),
    "a breaker that never opens": Plant(
        violates=any_of("I11 nothing while open"),
        settings=(("breaker_failures", 100_000),),
        partitions=1,
    ),
    "old outcomes written again": Plant(
        violates=any_of("I12 deliveries move as allowed"), log=RepeatedOutcomes
    ),
    "replayed though nobody asked": Plant(
        violates=any_of("I12 replays are one delivery"), ports=(("dead_letters", UnaskedLetters),)
    ),
    "calls for what was refused": Plant(
        violates=any_of("I2 refused events are not called"), log=EventKept
    ),
    "other words than the producer's": Plant(
        violates=any_of("I3 calls say what was sent"), provider=OtherWords
    ),
    "callbacks believed unproven": Plant(
        violates=any_of("I3 reports are the vendors'"), provider=Credulous
    ),
    "a cancel takes what is being called": Plant(
        violates=any_of("I7 cancelled are not called"), ports=(("claims", CancelsCalls),)
    ),
    "choices not looked at": Plant(
        violates=any_of("I7 opted out are not called"), ports=(("recipients", DeafToChoices),)
    ),
    "calls in quiet hours": Plant(
        violates=any_of("I8 nobody is called in silence"), quiet_hours=False
    ),
    "calls about what has expired": Plant(
        violates=any_of("I8 nobody is called too late"), log=Everlasting
    ),
    "receipts forgotten": Plant(violates=any_of("I9 reports end waits"), log=LostReceipts),
    "receipts not counted": Plant(violates=any_of("I12 reports count"), log=LostReceipts),
    "an owner of before writes": Plant(
        violates=any_of("I12 owners follow one another"), log=OldEpochs
    ),
    "critical events read when there is time": Plant(
        violates=any_of("I14 critical is prompt"), log=CriticalLast
    ),
    "signed by somebody else": Plant(
        violates=any_of("I15 calls are signed"), provider=SignedByOthers
    ),
    "addresses in the log": Plant(
        violates=any_of("I15 nothing private is told"), provider=Talkative
    ),
    "pauses not looked at before a call": Plant(
        violates=any_of("paused, nobody is called"), ports=(("pauses", Unpaused),)
    ),
}
