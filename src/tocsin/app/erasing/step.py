"""The background step of erasures: everything that is left of somebody, store by store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
import structlog

from tocsin.app.erasing.desk import let_go
from tocsin.app.erasing.history import EraseHistory
from tocsin.app.erasing.proof import show_erasure, signed
from tocsin.app.optouts import OptOuts
from tocsin.domain.erasure import ERASED
from tocsin.errors import StorageFull, Unavailable
from tocsin.ports.cache import Prover, Sealer
from tocsin.ports.keeping import Erases, Leaver
from tocsin.ports.state import Erasure, Erasures, Recipients
from tocsin.ports.system import Clock

_AGAIN_MS: Final = 5_000

logger = structlog.get_logger(__name__)

Followed = Callable[[], Awaitable[bool]]
CutOff = Callable[[], Awaitable[bool]]


class ErasureStep:
    """
    Does what an erasure promises within a day, usually within seconds.

    Everything changes nothing when it is done again, so a crash only means another round. It is
    done when a round began with nothing on the log that could still have named her, and when no
    write-ahead log holds any more what was overwritten.
    """

    def __init__(
        self,
        erasures: Erasures,
        recipients: Recipients,
        optouts: OptOuts,
        sealer: Sealer,
        prover: Prover,
        history: EraseHistory,
        stores: Sequence[Erases],
        followed: Followed,
        cut_off: CutOff,
        clock: Clock,
        *,
        history_ms: int,
        crash: Callable[[str], None] = lambda _: None,
    ) -> None:
        """
        *followed* says whether all that is on the log has been decided and is in the views.

        *cut_off* cuts the write-ahead logs; *history_ms* is how long shared events are kept;
        *crash* is called with the name of each point at which a fault test may end it.
        """
        self._erasures = erasures
        self._recipients = recipients
        self._optouts = optouts
        self._sealer = sealer
        self._prover = prover
        self._history = history
        self._stores = stores
        self._followed = followed
        self._cut_off = cut_off
        self._clock = clock
        self._history_ms = history_ms
        self._crash = crash
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    async def run(self) -> None:
        """Erase until cancelled."""
        while True:
            self._wake.clear()
            try:
                left = await self.once()
            except (Unavailable, StorageFull) as error:
                logger.warning("erasing_waits", code=error.code)
                left = 1
            if left:
                await self._clock.pause(_AGAIN_MS)
            else:
                await self._wake.wait()

    async def once(self) -> int:
        """Do a round for everybody who is being erased; returns how many are not done."""
        left = 0
        for job in await self._erasures.running():
            left += not await self._one(job)
        return left

    async def _one(self, job: Erasure) -> bool:
        assert job.sealed is not None
        now_ms = self._clock.now_ms()
        leaver = Leaver(job.recipient, self._sealer.open(job.sealed, place=ERASED), job.name)
        await let_go(self._recipients, job.recipient, job.digest, now_ms)
        self._crash("erase-let-go")
        followed = await self._followed()
        counts = Counter(job.counts)
        overwritten = await self._history(leaver)
        counts["history"] = max(counts["history"], overwritten.records)
        self._crash("erase-history")
        for store in self._stores:
            # A second round finds what the first has overwritten, and counts it no second time.
            counts[store.name] = max(counts[store.name], await store.erase(leaver))
            self._crash(f"erase-{store.name}")
        counts["journal"] += await self._optouts.forget(leaver.id)
        until_ms = now_ms + self._history_ms if overwritten.shared else None
        job = msgspec.structs.replace(job, counts=dict(counts), shared_until_ms=until_ms)
        if not followed or not await self._cut_off():
            await self._erasures.put(job)
            return False
        await self._finish(job)
        return True

    async def _finish(self, job: Erasure) -> None:
        counts = {**job.counts, "profile": 1}
        done = msgspec.structs.replace(
            job, sealed=None, done_ms=self._clock.now_ms(), counts=counts
        )
        await self._erasures.put(signed(done, self._prover, self._history_ms))
        logger.info("erased", erasure=show_erasure(job.id), counts=counts)
