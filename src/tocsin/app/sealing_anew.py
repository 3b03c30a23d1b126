"""After a new key: what older ones have sealed is sealed anew, in slices, with rests between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from tocsin.ports.cache import Sealer
from tocsin.ports.sealing import Reseals
from tocsin.ports.state import Erasures
from tocsin.ports.system import Clock

_SHARE: Final = 4
"""It rests so many times as long as it worked: others have most of the writer."""

logger = structlog.get_logger(__name__)


class SealingAnew:
    """Goes through everything that is sealed. Killed at any point it begins anew."""

    def __init__(
        self,
        stores: Sequence[Reseals],
        erasures: Erasures,
        sealer: Sealer,
        clock: Clock,
        rest: Callable[[float], Awaitable[None]],
        crash: Callable[[str], None] = lambda _: None,
    ) -> None:
        """*rest* waits for real seconds; *crash* is told of each point where a test may end it."""
        self._stores = stores
        self._erasures = erasures
        self._sealer = sealer
        self._clock = clock
        self._rest = rest
        self._crash = crash

    async def once(self) -> bool:
        """
        Seal anew what is under an older key; returns whether nothing is any more.

        Erasures that are under way hold a name until they end, and are not written anew.
        """
        changed = 0
        for store in self._stores:
            begun = self._clock.monotonic()
            async for count in store.reseal():
                changed += count
                self._crash("sealed-anew")
                await self._rest(_SHARE * (self._clock.monotonic() - begun))
                begun = self._clock.monotonic()
        if changed:
            logger.info("sealed_anew", rows=changed)
        return all(
            job.sealed is None or self._sealer.newest(job.sealed)
            for job in await self._erasures.running()
        )
