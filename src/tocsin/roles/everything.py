"""All roles in one process: start, run until told to stop, finish what is in hand."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn

from tocsin.adapters.system import SystemChance, SystemClock
from tocsin.app.callers import LOCAL
from tocsin.app.project import Expander, Projector
from tocsin.channels.registry import Registry
from tocsin.config import Config
from tocsin.domain.lanes import LANES
from tocsin.errors import StorageFailed
from tocsin.gateway.server import socket_class
from tocsin.gateway.upkeep import keep
from tocsin.wiring.channels import open_channels
from tocsin.wiring.folder import (
    ADDRESS_FILE,
    ADMIN_SOCKET,
    SANDBOX_KEY_FILE,
    take,
    write_address,
    write_sandbox_key,
)
from tocsin.wiring.http import Driving, build_driving
from tocsin.wiring.services import Services, build
from tocsin.wiring.storage import Crash, open_storage
from tocsin.wiring.stores import open_stores

logger = structlog.get_logger(__name__)

_MERGE_EVERY_S: Final = 0.5
_SANDBOX_KEY_NAME: Final = "sandbox"


class Running:
    """A started process: what it serves, and how it is told to stop."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.services = services
        self.folder = folder
        self.stopping = asyncio.Event()
        self.failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run *work* and hold it until it is done."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def fail(self, error: BaseException) -> None:
        """Stop the process: nothing more may be acknowledged."""
        self.failure = error
        self.stopping.set()

    async def settle(self) -> None:
        """Return when what was spawned is done."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))


@asynccontextmanager
async def started(
    config: Config, *, crash: Crash | None = None, registry: Registry | None = None
) -> AsyncIterator[Running]:
    """
    Take the folder, open everything, and run the background roles.

    *registry* holds the channels and providers; without, all that are installed.
    """
    clock, chance = SystemClock(), SystemChance()
    failures: list[BaseException] = []
    with ExitStack() as locks:
        folder = take(config, clock.now_ms(), locks)
        async with AsyncExitStack() as stack:
            running: Running | None = None

            def fatal(error: BaseException) -> None:
                failures.append(error)
                if running is not None:
                    running.fail(error)

            storage = await open_storage(
                config, folder, stack, now_ms=clock.now_ms(), on_fatal=fatal, crash=crash
            )
            stores = await open_stores(config, folder, storage, stack, clock, chance)
            opened = await open_channels(config, stack, registry)
            services = await build(config, storage, stores, clock, chance, opened=opened)
            running = Running(services, folder)
            tasks = [running.spawn(_guarded(running, work)) for work in background(services)]
            try:
                yield running
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await running.settle()


def background(services: Services) -> Sequence[Coroutine[Any, Any, None]]:
    """Return the loops of router, projections and upkeep."""
    log = services.storage.log
    work: list[Coroutine[Any, Any, None]] = [services.router.run(lane) for lane in LANES]
    work += [services.fanouts.run(lane) for lane in LANES]
    work.append(services.timers.run())
    work += services.delivery.loops()
    if not log.atomic_with_views:
        work += [Expander(log).run(lane) for lane in LANES]
        work.append(Projector(log, services.storage.inbox, services.inbox_projection).run())
        work.append(Projector(log, services.storage.ledger, services.ledger_projection).run())
    work += [services.registry.follow(), services.workflows.follow(), services.access.follow()]
    work.append(services.history.watch.run())
    work.append(_upkeep(services))
    return work


async def _upkeep(services: Services) -> None:
    while True:
        await asyncio.sleep(_MERGE_EVERY_S)
        for index in services.storage.indexes:
            await index.merge_if_needed()
        await services.stores.deduplication.maintain(services.clock.now_ms())
        await services.stores.addresses.maintain()


async def _guarded(running: Running, work: Coroutine[Any, Any, None]) -> None:
    """A role that fails ends the process: half a program would look healthy and do nothing."""
    try:
        await work
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        logger.exception("role_failed")
        running.fail(error)


async def serve(config: Config, *, crash: Crash | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    async with started(config, crash=crash) as running:
        driving = build_driving(
            running.services,
            asyncio.get_running_loop(),
            running.spawn,
            running.stopping.is_set,
        )
        await driving.optouts.restore(
            running.services.stores.recipients, running.services.stores.suppressions
        )
        await _sandbox_key(running, driving)
        _watch_signals(running)
        gc.collect()
        gc.freeze()
        # Most objects die with their batch; a full collection of a large heap would be a pause.
        gc.set_threshold(200_000, 20, 100)
        await _serve_until_stopped(config, running, driving)
        if running.failure is not None:
            raise StorageFailed("a role failed, see the log") from running.failure
    return 0


def _watch_signals(running: Running) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.stopping.set)


async def _sandbox_key(running: Running, driving: Driving) -> None:
    """A sandbox has a key with every right in a file, so that the first call can be pasted."""
    path = running.folder / SANDBOX_KEY_FILE
    if running.services.config.mode != "sandbox" or path.exists():
        return
    _, key = await driving.keys.create(LOCAL, _SANDBOX_KEY_NAME, ["admin"])
    write_sandbox_key(running.folder, key)


async def _serve_until_stopped(config: Config, running: Running, driving: Driving) -> None:
    network = _Server(_uvicorn_config(config, driving.api.network(), driving))
    socket_path = running.folder / ADMIN_SOCKET
    socket_path.unlink(missing_ok=True)
    local = _Server(_local_config(driving.api.local(), socket_path))
    serving = [running.spawn(network.serve()), running.spawn(local.serve())]
    await network.up.wait()
    await local.up.wait()
    socket_path.chmod(0o600)
    write_address(running.folder, config.http.host, network.port())
    _announce(config, running, network.port())
    keeping = running.spawn(_guarded(running, keep(driving.sessions, asyncio.sleep)))
    await running.stopping.wait()
    keeping.cancel()
    for server in (network, local):
        server.should_exit = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(config.http.stop_grace_ms / 1000):
            await asyncio.gather(*serving)
    socket_path.unlink(missing_ok=True)
    (running.folder / ADDRESS_FILE).unlink(missing_ok=True)


class _Server(uvicorn.Server):
    """uvicorn without its own handling of signals: one stop for all servers of the process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    def port(self) -> int:
        """Return the port that was really taken."""
        return int(self.servers[0].sockets[0].getsockname()[1])


def _uvicorn_config(config: Config, app: Any, driving: Driving) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=config.http.host,
        port=config.http.port,
        ws=socket_class(driving.sockets),
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=bool(config.http.trusted_proxies),
        forwarded_allow_ips=list(config.http.trusted_proxies),
        backlog=2048,
        timeout_graceful_shutdown=max(1, config.http.stop_grace_ms // 1000),
    )


def _local_config(app: Any, path: Path) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        uds=str(path),
        ws="none",
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )


def _announce(config: Config, running: Running, port: int) -> None:
    """Say where the server is, where the key is, and one line that works when pasted."""
    address = f"http://{config.http.host}:{port}"
    key = running.folder / SANDBOX_KEY_FILE
    print(f"Tocsin is ready on {address}  (data in {running.folder}, {config.mode})", flush=True)  # noqa: T201  # the program's own words to whoever started it
    if config.mode == "sandbox":
        print(f"The key of this sandbox is in {key}. Try:\n", flush=True)  # noqa: T201
        print(  # noqa: T201
            f'  curl -s {address}/v1/send -H "Authorization: Bearer $(cat {key})"'
            ' -H "Content-Type: application/json"'
            """ -d '{"recipients": ["ana"], "content": {"title": "Hello", "body": "It works"}}'""",
            flush=True,
        )
