"""The servers of the process: the port for everybody, and the socket for local commands."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from pathlib import Path
from typing import Any, Final

import uvicorn

from tocsin.config import Misconfigured
from tocsin.config.tables import Http
from tocsin.errors import Conflict
from tocsin.gateway.server import socket_class
from tocsin.wiring.http import Driving

_BACKLOG: Final = 2048
_SOCKET_PATH_MAX: Final = 107
"""Bytes; the kernel's limit for the name of a local socket."""


class Network:
    """Both servers, from listening to the last answer."""

    def __init__(self, http: Http, driving: Driving, local_path: Path) -> None:
        if len(os.fsencode(local_path)) > _SOCKET_PATH_MAX:
            raise Misconfigured(
                [f"data: the path of {local_path} is too long for a socket; use a shorter one"]
            )
        self._grace_s = http.stop_grace_ms / 1000
        self._listening = _listen(http)
        self._local_path = local_path
        local_path.unlink(missing_ok=True)
        self._remote = PlainServer(_network_config(http, driving))
        self._local = PlainServer(_local_config(driving, local_path))

    @property
    def port(self) -> int:
        """The port that was really taken."""
        return int(self._listening.getsockname()[1])

    async def started(self, serving: asyncio.Task[None]) -> None:
        """Return when both answer; raises what *serving* fails with before that."""
        up = asyncio.gather(self._remote.up.wait(), self._local.up.wait())
        either: set[asyncio.Future[Any]] = {serving, up}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not up.done():
            up.cancel()
            await serving
        self._local_path.chmod(0o600)

    async def serve(self) -> None:
        """Serve until `stop` was called and what was in hand has been answered."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._remote.serve(sockets=[self._listening]))
            tasks.create_task(self._local.serve())

    def stop(self) -> None:
        """Accept nothing more, finish what is in hand, and tell sockets to connect again."""
        self._remote.should_exit = self._local.should_exit = True

    async def finish(self, serving: asyncio.Task[None]) -> None:
        """Return when *serving* has ended, or after the grace."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s):
                await serving
        self._local_path.unlink(missing_ok=True)


class PlainServer(uvicorn.Server):
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


def _listen(http: Http) -> socket.socket:
    """
    Take the port.

    Raises `Conflict` when another program has it, `Misconfigured` when it cannot be taken at all.
    """
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    try:
        return socket.create_server((http.host, http.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        where = f"port {http.port} of {http.host}"
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"{where} is in use by another program; stop it, or choose a port with --port"
            ) from error
        raise Misconfigured(
            [f"http: cannot listen on {where} ({error.strerror}); choose another with --port"]
        ) from error


def _network_config(http: Http, driving: Driving) -> uvicorn.Config:
    return uvicorn.Config(
        driving.api.network(),
        host=http.host,
        port=http.port,
        ws=socket_class(driving.sockets),
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        log_level=logging.WARNING,
        server_header=False,
        date_header=False,
        proxy_headers=bool(http.trusted_proxies),
        forwarded_allow_ips=list(http.trusted_proxies),
        backlog=_BACKLOG,
        timeout_graceful_shutdown=max(1, http.stop_grace_ms // 1000),
    )


def _local_config(driving: Driving, path: Path) -> uvicorn.Config:
    return uvicorn.Config(
        driving.api.local(),
        uds=str(path),
        ws="none",
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        log_level=logging.WARNING,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
