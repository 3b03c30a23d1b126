"""What goes on its own and what goes when somebody asks for it: retention and erasure."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tocsin.app.keeping.keeper import Keeper
from tocsin.config import Config
from tocsin.ports.system import Chance, Clock
from tocsin.wiring.erasing import Erasing, build_erasing
from tocsin.wiring.keeping import build_keeper
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Both."""

    keeper: Keeper
    erasing: Erasing


def build_upkeep(
    config: Config, storage: Storage, stores: Stores, clock: Clock, chance: Chance
) -> Upkeep:
    """Put them together."""
    return Upkeep(
        build_keeper(config, storage, stores, clock, asyncio.sleep),
        build_erasing(config, storage, stores, clock, chance),
    )
