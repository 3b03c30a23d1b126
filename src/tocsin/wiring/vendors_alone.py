"""The vendors of a sandbox in a process of their own: the folder, the simulators, the HTTP side."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from tocsin.adapters.sqlite.folder import FolderLock
from tocsin.adapters.system import SystemChance, SystemClock
from tocsin.api.sandbox_alone import SandboxAlone, ServerTold
from tocsin.channels.playing import PlayedVendors
from tocsin.channels.registry import Registry
from tocsin.config import Config, Misconfigured
from tocsin.wiring.vendors import Control, Places, make_simulators, play, read_places, write_places

_KEY_BYTES = 24


@dataclass(frozen=True, slots=True)
class OpenAlone:
    """What was opened: the application, the socket that it is to be served on, and the ports."""

    app: SandboxAlone
    listening: socket.socket
    places: Places


@asynccontextmanager
async def open_alone(config: Config, registry: Registry | None = None) -> AsyncIterator[OpenAlone]:
    """
    Play every vendor on the folder `Config.data` until the block ends.

    Where each listens stands in its ``sandbox.json``, as does how this process is asked. Raises
    `tocsin.errors.Conflict` when another process holds the folder.
    """
    real, chance, folder = SystemClock(), SystemChance(), _made(Path(config.data))
    async with AsyncExitStack() as stack:
        stack.enter_context(FolderLock(folder, started_ms=real.now_ms()))
        before = read_places(folder)
        simulators = make_simulators(registry)
        vendors = PlayedVendors(simulators, real.now_ms, chance.fraction)
        await play(vendors, simulators, folder, stack, config)
        await _tell(vendors, before.server)
        listening = stack.enter_context(_listen(before.control))
        key = before.control.key if before.control is not None else chance.bytes(_KEY_BYTES).hex()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        places = msgspec.structs.replace(read_places(folder), control=Control(url=url, key=key))
        write_places(folder, places)

        async def keep(told: ServerTold) -> None:
            now = read_places(folder)
            server = ServerTold(
                url=told.url or now.server.url,
                offset_ms=now.server.offset_ms if told.offset_ms is None else told.offset_ms,
            )
            write_places(folder, msgspec.structs.replace(now, server=server))

        yield OpenAlone(SandboxAlone(vendors, key, keep), listening, places)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured([f"the folder {folder} cannot be used: {error.strerror}"]) from None
    return folder


async def _tell(vendors: PlayedVendors, told: ServerTold) -> None:
    """Go on with what a server said before a restart."""
    if told.url is not None:
        await vendors.report_to(told.url)
    if told.offset_ms is not None:
        await vendors.tell_time(told.offset_ms)


def _listen(before: Control | None) -> socket.socket:
    """Take the port of before, so that a server that knows it finds it again; else any."""
    wished = urlsplit(before.url).port if before is not None else 0
    try:
        return socket.create_server(("127.0.0.1", wished or 0))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))
