"""All roles in one process: start, run until told to stop, finish what is in hand."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from tocsin.app.callers import LOCAL
from tocsin.app.delivering.unserved import unserved
from tocsin.channels.registry import Registry
from tocsin.config import Config
from tocsin.errors import StorageFailed, Unavailable
from tocsin.gateway.upkeep import keep
from tocsin.roles.announcing import announce
from tocsin.roles.background import background
from tocsin.roles.network import Network
from tocsin.roles.running import Running
from tocsin.wiring.folder import (
    ADDRESS_FILE,
    ADMIN_SOCKET,
    SANDBOX_KEY_FILE,
    write_address,
    write_sandbox_key,
)
from tocsin.wiring.http import Driving, build_driving
from tocsin.wiring.process import Around, opened
from tocsin.wiring.public import local_url
from tocsin.wiring.services import Services
from tocsin.wiring.storage import Crash

logger = structlog.get_logger(__name__)

_SANDBOX_KEY_NAME: Final = "sandbox"


async def serve(
    config: Config,
    *,
    crash: Crash | None = None,
    around: Around | None = None,
    registry: Registry | None = None,
) -> int:
    """
    Serve until SIGTERM or SIGINT; returns the exit code.

    *registry* holds the channels and providers; without, all that are installed. *crash* and
    *around* let a test put faults between the roles and their stores.
    """
    async with started(config, crash=crash, around=around, registry=registry) as running:
        driving = build_driving(
            running.services,
            asyncio.get_running_loop(),
            running.spawn,
            running.stopping.is_set,
            failure=running.amiss,
        )
        await driving.optouts.restore(
            running.services.stores.recipients, running.services.stores.suppressions
        )
        await running.services.upkeep.erasing.desk.restore()
        await _sandbox_key(running, driving)
        _watch_signals(running)
        _calm_collector()
        await _serve_until_stopped(config, running, driving)
        if running.failure is not None:
            raise StorageFailed("a role failed, see the log") from running.failure
    return 0


@asynccontextmanager
async def started(
    config: Config,
    *,
    crash: Crash | None = None,
    around: Around | None = None,
    registry: Registry | None = None,
) -> AsyncIterator[Running]:
    """Take the folder, open everything, and run the background roles until the block ends."""
    running: Running | None = None

    def fatal(error: BaseException) -> None:
        if running is not None:
            running.fail(error)

    async with opened(config, fatal, crash=crash, around=around, registry=registry) as process:
        running = Running(process.services, process.folder)
        tasks = [running.spawn(running.guarded(work)) for work in background(process.services)]
        try:
            yield running
            if running.failure is None:
                await process.services.delivery.drain(config.http.stop_grace_ms)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await running.settle()


async def _serve_until_stopped(config: Config, running: Running, driving: Driving) -> None:
    network = Network(config.http, driving, running.folder / ADMIN_SOCKET)
    serving = running.spawn(network.serve())
    await network.started(serving)
    url = local_url(config.http.host, network.port)
    running.services.links.reached_at(url)
    if running.services.whereabouts is not None:
        running.services.whereabouts.listen(url)
    write_address(running.folder, url)
    await _lead_vendors(running.services, url)
    _warn_of_unserved(running.services)
    announce(config, running.folder, network.port)
    keeping = [
        running.spawn(running.guarded(keep(driving.sessions, asyncio.sleep))),
        running.spawn(running.guarded(driving.loop_lag.run())),
    ]
    await running.stopping.wait()
    network.stop()
    for task in keeping:
        task.cancel()
    await network.finish(serving)
    (running.folder / ADDRESS_FILE).unlink(missing_ok=True)


async def _lead_vendors(services: Services, url: str) -> None:
    """Tell the vendors of a sandbox where receipts go, and what time it is."""
    vendors = services.vendors
    if vendors is None:
        return
    try:
        await vendors.report_to(url)
        await vendors.tell_time(services.clock.now_ms() - services.wall_ms())
    except Unavailable as error:
        logger.warning("vendors_away", code=error.code, detail=error.detail)


def _warn_of_unserved(services: Services) -> None:
    for channel in unserved(services.delivery.fleet, services.storage.log):
        says = "what waits for it stays until a provider is configured again"
        logger.warning("channel_without_provider", channel=channel, detail=says)


def _watch_signals(running: Running) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, running, number)


def _stop(running: Running, number: int) -> None:
    """Stop in good order; whoever asks a second time wants it at once, which loses nothing."""
    if running.stopping.is_set():
        os._exit(128 + number)
    running.stopping.set()


def _calm_collector() -> None:
    gc.collect()
    gc.freeze()
    # Most objects die with their batch; a full collection of a large heap would be a pause.
    gc.set_threshold(200_000, 20, 100)


async def _sandbox_key(running: Running, driving: Driving) -> None:
    """A sandbox has a key with every right in a file, so that the first call can be pasted."""
    path = running.folder / SANDBOX_KEY_FILE
    if running.services.config.mode != "sandbox" or path.exists():
        return
    _, key = await driving.keys.create(LOCAL, _SANDBOX_KEY_NAME, ["admin"])
    write_sandbox_key(running.folder, key)
