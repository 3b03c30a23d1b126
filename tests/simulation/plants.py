"""Bugs that are planted on purpose: the simulation must find each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import msgspec

from tests.simulation.broken import (
    BlindCounts,
    Broken,
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
from tests.simulation.broken_delivery import (
    Backwards,
    EarlyTimers,
    ElsewhereCalled,
    KeptAlive,
    LostIsRefused,
    LostOutcomes,
    NobodyGone,
    OverlooksOutcomes,
    RepeatedOutcomes,
    UnaskedLetters,
    UnretiredLetters,
    UnwrittenAttempts,
)
from tocsin.app.delivering.providers import Wired
from tocsin.config import Config
from tocsin.domain.case import ChannelFacts
from tocsin.wiring.services import Services
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores

Wrap = Callable[[Any, Random], Broken]


@dataclass(frozen=True, kw_only=True)
class Plant:
    """
    The engine with some of its ports broken; without any, the engine as it is.

    Each mapping is from the name of a part to what is put around it.
    """

    violates: frozenset[str] = frozenset()
    log: Wrap | None = None
    inbox: Wrap | None = None
    ledger: Wrap | None = None
    ports: tuple[tuple[str, Wrap], ...] = ()
    accept: Wrap | None = None
    provider: Wrap | None = None
    settings: tuple[tuple[str, int], ...] = ()
    """Settings of the providers that differ from those that the checker knows."""
    quiet_hours: bool = True
    partitions: int | None = None

    def config(self, config: Config) -> Config:
        """Return the settings that the bug needs to show itself."""
        if self.partitions is None:
            return config
        log = msgspec.structs.replace(config.log, partitions=self.partitions)
        return msgspec.structs.replace(config, log=log)

    def stores(self, storage: Storage, stores: Stores, dice: Random) -> tuple[Storage, Stores]:
        """Return the stores that the engine is built on."""
        changed: dict[str, Any] = {}
        if self.log is not None:
            changed["log"] = self.log(storage.log, dice)
        if self.inbox is not None:
            changed["inbox"] = self.inbox(storage.inbox, dice)
        if self.ledger is not None:
            changed["ledger"] = self.ledger(storage.ledger, dice)
        broken: dict[str, Any] = {
            name: wrap(getattr(stores, name), dice) for name, wrap in self.ports
        }
        return replace(storage, **changed), replace(stores, **broken)

    def channels(self, channels: dict[str, ChannelFacts]) -> dict[str, ChannelFacts]:
        """Return what decide is told of the channels."""
        if self.quiet_hours:
            return channels
        return {
            name: msgspec.structs.replace(facts, interrupts=False)
            for name, facts in channels.items()
        }

    def providers(self, wired: list[Wired], dice: Random) -> list[Wired]:
        """Return the providers of one life."""
        return [
            Wired(
                each.provider if self.provider is None else self._provider(each, dice),
                msgspec.structs.replace(each.settings, **dict(self.settings)),
            )
            for each in wired
        ]

    def _provider(self, wired: Wired, dice: Random) -> Any:
        assert self.provider is not None
        return self.provider(wired.provider, dice)

    def services(self, services: Services, dice: Random) -> Services:
        """Return the use cases."""
        if self.accept is None:
            return services
        accept: Any = self.accept(services.accept, dice)
        return replace(services, accept=accept)


def _of(*names: str) -> frozenset[str]:
    return frozenset(names)


PLANTS: dict[str, Plant] = {
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
        violates=_of("I15 nothing while paused"), ports=(("pauses", Unpaused),)
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
    "how calls ended is lost": Plant(violates=_of("I1 deliveries settle once"), log=LostOutcomes),
    "the ledger overlooks outcomes": Plant(
        violates=_of("I1 ledger counts deliveries"), ledger=OverlooksOutcomes
    ),
    "a replay is done again": Plant(
        violates=_of("I1 handed over once"),
        ports=(("dead_letters", UnretiredLetters), ("deduplication", ForgetfulDeduplication)),
    ),
    "attempts not written": Plant(violates=_of("I2 calls were written"), log=UnwrittenAttempts),
    "somebody else is called": Plant(violates=_of("I3 calls are meant"), provider=ElsewhereCalled),
    "lost answers taken for refusals": Plant(
        violates=_of("I4 repeats are of unknown"), provider=LostIsRefused
    ),
    "hand-offs read backwards": Plant(violates=_of("I5 calls in order"), log=Backwards),
    "suppressions not looked at before a call": Plant(
        violates=_of("I7 refused are not called"), ports=(("suppressions", UnlistedRefusals),)
    ),
    "an erasure that nobody hears of": Plant(
        violates=_of("I7 erased are not called"),
        ports=(("gone", NobodyGone), ("recipients", KeptAlive)),
    ),
    "tried again too early": Plant(
        violates=_of("I11 attempts keep their time"), ports=(("timers", EarlyTimers),)
    ),
    "a breaker that never opens": Plant(
        violates=_of("I11 nothing while open"),
        settings=(("breaker_failures", 100_000),),
        partitions=1,
    ),
    "old outcomes written again": Plant(
        violates=_of("I12 deliveries move as allowed"), log=RepeatedOutcomes
    ),
    "replayed though nobody asked": Plant(
        violates=_of("I12 replays are one delivery"), ports=(("dead_letters", UnaskedLetters),)
    ),
    "trail tampered with": Plant(
        violates=_of("I12 trail is whole"), ports=(("trail", TamperedTrail),)
    ),
    "resume forgets one": Plant(violates=_of("I13 devices agree"), inbox=LostMissed),
    "counts incremented blindly": Plant(violates=_of("I13 counts are items"), inbox=BlindCounts),
}


def untouched() -> Plant:
    """Return no bug at all."""
    return Plant()
