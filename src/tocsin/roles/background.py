"""What runs in the background: router, fan-outs, timers, delivery, projections, upkeep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

import structlog

from tocsin.domain.lanes import LANES
from tocsin.errors import Stopping, Unavailable
from tocsin.ports.system import Clock
from tocsin.wiring.services import Services

_MERGE_EVERY_S: Final = 0.5
_AGAIN_MS: Final = 500

Work = Coroutine[Any, Any, None]

logger = structlog.get_logger(__name__)


def background(services: Services) -> Sequence[Work]:
    """Return the loops; each runs until it is cancelled."""
    again = partial(persistent, services.clock)
    work: list[Work] = [services.router.run(lane) for lane in LANES]
    work += [services.fanouts.run(lane) for lane in LANES]
    work += [services.timers.run(), services.tracker.run()]
    work.append(services.releases.run())
    work.append(services.history.replays.run())
    work += services.delivery.loops()
    if services.status_webhooks is not None:
        work.append(services.status_webhooks.run())
    apart = services.apart
    if apart is not None:
        work += [again("expander", partial(apart.expander.run, lane)) for lane in LANES]
        work += [again("inbox", apart.inbox.run), again("ledger", apart.ledger.run)]
        work.append(again("dead letters", apart.letters.run))
    work += [services.registry.follow(), services.workflows.follow(), services.access.follow()]
    work.append(services.history.watch.run())
    work.append(services.room.run())
    sealing = partial(services.stores.key_watch.run, services.upkeep.sealing.once)
    work.append(again("encryption keys", sealing))
    work.append(again("upkeep", partial(_upkeep, services)))
    work.append(again("keeper", services.upkeep.keeper.run))
    work.append(again("erasing", services.upkeep.erasing.step.run))
    return work


async def persistent(clock: Clock, role: str, run: Callable[[], Work]) -> None:
    """Begin *run* anew when the store was away: it goes on where it had committed."""
    while True:
        try:
            await run()
        except Stopping:
            return
        except Unavailable as error:
            logger.warning("role_waits", role=role, code=error.code)
            await clock.pause(_AGAIN_MS)


async def _upkeep(services: Services) -> None:
    while True:
        await asyncio.sleep(_MERGE_EVERY_S)
        for index in services.storage.indexes:
            await index.merge_if_needed()
        await services.stores.deduplication.maintain(services.clock.now_ms())
        await services.stores.addresses.maintain()
