"""Playing the vendors of a sandbox, alone: until told to stop."""

from __future__ import annotations

import asyncio
import signal
import sys

import uvicorn

from tocsin.channels.registry import Registry
from tocsin.config import Config
from tocsin.roles.network import PlainServer
from tocsin.wiring.vendors_alone import OpenAlone, open_alone


async def serve_vendors(config: Config, registry: Registry | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    async with open_alone(config, registry) as alone:
        server = PlainServer(_config(alone))
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        _announce(config, alone)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_until(stopping, server))
            await server.serve([alone.listening])
    return 0


def _config(alone: OpenAlone) -> uvicorn.Config:
    return uvicorn.Config(
        alone.app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


async def _until(stopping: asyncio.Event, server: uvicorn.Server) -> None:
    await stopping.wait()
    server.should_exit = True


def _announce(config: Config, alone: OpenAlone) -> None:
    lines = [f"The sandbox plays {len(alone.places.providers)} vendors (in {config.data}):"]
    lines += [
        f"  {name:<12} 127.0.0.1:{each.port}" for name, each in alone.places.providers.items()
    ]
    lines.append(f"Start a server on them with: tocsin up --sandbox {config.data}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
