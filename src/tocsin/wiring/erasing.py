"""Erasure: the desk, the background step, and every store that holds something about people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.adapters.sqlite.erasing import (
    EraseAnswers,
    EraseAudiences,
    EraseInbox,
    EraseTombstones,
)
from tocsin.adapters.sqlite.standings import EraseStandings
from tocsin.app.cancels import KeptCancels
from tocsin.app.erasing.desk import ErasureDesk
from tocsin.app.erasing.history import EraseHistory
from tocsin.app.erasing.step import ErasureStep
from tocsin.app.keeping.keeper import Crash
from tocsin.app.optouts import OptOuts
from tocsin.app.project import EXPANDERS, followed_topics, partitions_of
from tocsin.app.routing.router import GROUP
from tocsin.app.trail import Notes
from tocsin.config import Config
from tocsin.domain.keeping import Keep
from tocsin.domain.lanes import LANES
from tocsin.ports.keeping import Leaver
from tocsin.ports.state import DeadLetters
from tocsin.ports.system import Chance, Clock
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores

_TRIES: Final = 50
_REST_S: Final = 0.1

Positions = Mapping[tuple[str, int], int]


@dataclass(frozen=True, slots=True)
class Erasing:
    """Who asks, and what does it."""

    desk: ErasureDesk
    step: ErasureStep


def build_erasing(
    config: Config,
    storage: Storage,
    stores: Stores,
    clock: Clock,
    chance: Chance,
    rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
    crash: Crash = lambda _: None,
) -> Erasing:
    """Put them together; *rest* waits for readers that follow, for seconds."""
    log, state = storage.log, storage.state
    optouts = OptOuts(stores.journal, stores.sealer)
    keep = Keep(config.keep.inbox_ms, config.keep.ledger_ms, config.keep.log_ms)
    step = ErasureStep(
        stores.erasures,
        stores.recipients,
        optouts,
        stores.sealer,
        stores.prover,
        EraseHistory(log, log.keeping, storage.ledger, stores.blobs),
        (
            EraseInbox(storage.inbox, storage.views, log.keeping, joint=log.atomic_with_views),
            EraseAudiences(state),
            EraseTombstones(state),
            KeptCancels(stores.blobs),
            EraseAnswers(state),
            EraseStandings(stores.standings),
            EraseDeadLetters(stores.dead_letters),
        ),
        Following(storage, rest),
        lambda: _cut_off(storage),
        clock,
        history_ms=keep.history_ms,
        crash=crash,
    )
    desk = ErasureDesk(
        stores.recipients,
        stores.erasures,
        optouts,
        stores.sealer,
        stores.prover,
        stores.gone,
        Notes(stores.trail, clock),
        clock,
        chance,
        step.wake,
    )
    return Erasing(desk, step)


class EraseDeadLetters:
    """What failed for good, and would be sent again."""

    name = "dead letters"

    def __init__(self, letters: DeadLetters) -> None:
        self._letters = letters

    async def erase(self, leaver: Leaver) -> int:
        """Delete hers."""
        return await self._letters.erase([leaver.number])


class Following:
    """Waits until what is on the log now has been decided and is in the views."""

    def __init__(self, storage: Storage, rest: Callable[[float], Awaitable[None]]) -> None:
        self._storage = storage
        self._rest = rest

    async def __call__(self) -> bool:
        """Return whether it came to that in some seconds; a pause or a backlog may be in the way."""
        storage, log = self._storage, self._storage.log
        if not await self._reached(
            self._ends(f"events.{lane}" for lane in LANES), lambda: log.committed(GROUP)
        ):
            return False
        if log.atomic_with_views:
            return True
        if not await self._reached(
            self._ends(f"plans.{lane}" for lane in LANES), lambda: log.committed(EXPANDERS)
        ):
            return False
        ends = self._ends(followed_topics())
        shown = {place: end for place, end in ends.items() if place[0].startswith("inbox.")}
        return await self._reached(shown, storage.inbox.marks) and await self._reached(
            ends, storage.ledger.marks
        )

    def _ends(self, topics: Iterable[str]) -> Positions:
        log = self._storage.log
        places = [(topic, p) for topic in topics for p in partitions_of(log, topic)]
        return {place: log.end(*place) for place in places}

    async def _reached(
        self, ends: Positions, positions: Callable[[], Awaitable[Positions]]
    ) -> bool:
        for _ in range(_TRIES):
            now = await positions()
            if all(now.get(place, 0) >= end for place, end in ends.items()):
                return True
            await self._rest(_REST_S)
        return False


async def _cut_off(storage: Storage) -> bool:
    return all([await writer.cut_wal(_TRIES) for writer in storage.writers.values()])
