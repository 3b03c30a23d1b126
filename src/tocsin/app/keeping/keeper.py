"""Retention: every few minutes what was kept long enough goes, in slices, with rests between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from tocsin.app.keeping.open_runs import OpenRuns
from tocsin.app.keeping.trimming import Trimming
from tocsin.domain.keeping import Cut, Keep, cut_at
from tocsin.errors import StorageFull, Unavailable
from tocsin.ports.keeping import Forgets, Kept
from tocsin.ports.system import Clock

HISTORY: Final = "history"
"""The name under which it is kept how far back explain and audit can look."""

_EVERY_MS: Final = 600_000
_AGAIN_MS: Final = 5_000
_SHARE: Final = 4
"""It rests so many times as long as it worked: others have most of the writer."""

logger = structlog.get_logger(__name__)

SettledSince = Callable[[int], Awaitable[int | None]]
Rest = Callable[[float], Awaitable[None]]
Crash = Callable[[str], None]


class Keeper:
    """
    Looks what may go, says durably how far back things are complete from now on, and removes.

    Killed at any point it begins anew: each slice is a transaction, and what was said before it
    covers what is gone.
    """

    def __init__(
        self,
        keep: Keep,
        clock: Clock,
        open_runs: OpenRuns,
        settled_since: SettledSince,
        kept: Kept,
        trimming: Trimming,
        forgets: Sequence[Forgets],
        *,
        rest: Rest,
        crash: Crash = lambda _: None,
    ) -> None:
        """*crash* is called with the name of each point at which a fault test may end it."""
        self.keep = keep
        self._clock = clock
        self._open_runs = open_runs
        self._settled_since = settled_since
        self._kept = kept
        self._trimming = trimming
        self._forgets = forgets
        self._rest = rest
        self._crash = crash
        self.removed: Counter[str] = Counter()
        """Rows and records that went, by store."""
        self.removed_bytes = 0
        """Of records of the log."""
        self.since_ms = 0
        """How far back history is complete."""
        self._oldest: dict[str, int] = {}

    async def run(self) -> None:
        """Remove until cancelled."""
        while True:
            wait_ms = _EVERY_MS
            try:
                await self.once()
            except (Unavailable, StorageFull) as error:
                logger.warning("keeping_waits", code=error.code)
                wait_ms = _AGAIN_MS
            await self._clock.sleep_until(self._clock.now_ms() + wait_ms)

    async def once(self) -> None:
        """Remove everything that may go by now."""
        cut = await self.cut()
        if cut is None:
            logger.warning("keeping_waits", code="backlog")
            return
        await self._kept.rise(HISTORY, cut.history_ms)
        self.since_ms = await self._kept.since_ms(HISTORY)
        self._crash("kept-said")
        await self._trim(cut)
        for store in self._forgets:
            await self._forget(store, cut)
        self._oldest = await self._trimming.oldest()

    def ages_s(self) -> dict[str, float]:
        """Return the age of the oldest record of each topic, as of the last round."""
        now_ms = self._clock.now_ms()
        return {topic: max(0, now_ms - at_ms) / 1000 for topic, at_ms in self._oldest.items()}

    async def cut(self) -> Cut | None:
        """Return what may go; None when that is not to be found out now."""
        now_ms = self._clock.now_ms()
        open_ms = await self._open_runs.since_ms()
        if open_ms is None:
            return None
        settled_ms = await self._settled_since(now_ms - self.keep.history_ms)
        return cut_at(now_ms, self.keep, open_ms, now_ms if settled_ms is None else settled_ms)

    async def _trim(self, cut: Cut) -> None:
        begun = self._clock.monotonic()
        async for gone in self._trimming.slices(cut):
            self.removed[gone.topic] += gone.records
            self.removed_bytes += gone.bytes
            self._crash("kept-trimmed")
            begun = await self._pause(begun)

    async def _forget(self, store: Forgets, cut: Cut) -> None:
        begun = self._clock.monotonic()
        while (gone := await store.forget(cut)) is not None:
            self.removed[store.name] += gone
            self._crash("kept-forgot")
            begun = await self._pause(begun)

    async def _pause(self, begun: float) -> float:
        await self._rest(_SHARE * (self._clock.monotonic() - begun))
        return self._clock.monotonic()
