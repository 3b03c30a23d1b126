"""One process: the folder that it takes, the clock that it goes by, and all that is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tocsin.adapters.system import SystemChance, SystemClock
from tocsin.channels.registry import Registry
from tocsin.config import Config
from tocsin.wiring.channels import open_channels
from tocsin.wiring.clock import open_clock
from tocsin.wiring.encryption_keys import brought_keys
from tocsin.wiring.folder import take
from tocsin.wiring.services import Services, build
from tocsin.wiring.storage import Crash, OnFatal, Storage, open_storage
from tocsin.wiring.stores import Stores, open_stores
from tocsin.wiring.vendors import open_vendors

Around = Callable[[Storage, Stores], tuple[Storage, Stores]]
"""Puts something between the use cases and their stores."""


@dataclass(frozen=True, slots=True)
class Process:
    """What was opened."""

    services: Services
    folder: Path


@asynccontextmanager
async def opened(
    config: Config,
    on_fatal: OnFatal,
    *,
    crash: Crash | None = None,
    around: Around | None = None,
    registry: Registry | None = None,
) -> AsyncIterator[Process]:
    """
    Take the folder and open everything until the block ends; then what is queued is committed.

    *on_fatal* is called when a disk fails. Raises `tocsin.errors.TocsinError` with one sentence
    for the operator when it cannot be started.
    """
    real, chance = SystemClock(), SystemChance()
    # Before anything is made: a folder must not be born of a configuration that cannot start.
    brought_keys(config)
    with ExitStack() as locks:
        folder = take(config, real.now_ms(), locks)
        clock = open_clock(config, folder, real)
        async with AsyncExitStack() as stack:
            storage = await open_storage(
                config, folder, stack, now_ms=clock.now_ms(), on_fatal=on_fatal, crash=crash
            )
            stores = await open_stores(config, folder, storage, stack, clock, chance)
            if around is not None:
                storage, stores = around(storage, stores)
            played = await open_vendors(
                config, folder, stack, registry, real.now_ms, clock.now_ms, chance
            )
            channels = await open_channels(config, stack, registry, real.now_ms, played)
            services = await build(
                config,
                storage,
                stores,
                clock,
                chance,
                opened=channels,
                # Tokens and keys end by the wall's time, whatever clock decides about messages.
                wall_ms=real.now_ms,
            )
            yield Process(services, folder)
