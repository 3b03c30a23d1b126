"""What goes on its own and what goes when somebody asks for it; and what is sealed anew."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from tocsin.adapters.sqlite.resealing import ResealStatusWebhooks
from tocsin.app.keeping.keeper import Crash, Keeper, Rest
from tocsin.app.optouts import OptOuts
from tocsin.app.sealing_anew import SealingAnew
from tocsin.app.status_webhooks.teller import with_renewed_secret
from tocsin.config import Config
from tocsin.ports.system import Chance, Clock
from tocsin.wiring.erasing import Erasing, build_erasing
from tocsin.wiring.keeping import build_keeper
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores


@dataclass(frozen=True, slots=True)
class Upkeep:
    """All three."""

    keeper: Keeper
    erasing: Erasing
    sealing: SealingAnew


def build_upkeep(
    config: Config, storage: Storage, stores: Stores, clock: Clock, chance: Chance
) -> Upkeep:
    """Put them together."""
    return Upkeep(
        build_keeper(config, storage, stores, clock, asyncio.sleep),
        build_erasing(config, storage, stores, clock, chance),
        build_sealing(storage, stores, clock, asyncio.sleep),
    )


def build_sealing(
    storage: Storage,
    stores: Stores,
    clock: Clock,
    rest: Rest,
    crash: Crash = lambda _: None,
) -> SealingAnew:
    """Return what seals anew wherever something sealed is kept for longer than a day."""
    sealer = stores.sealer
    reseals = (
        stores.recipients.reseals(),
        ResealStatusWebhooks(storage.state, partial(with_renewed_secret, sealer)),
        OptOuts(stores.journal, sealer),
    )
    return SealingAnew(reseals, stores.erasures, sealer, clock, rest, crash)
