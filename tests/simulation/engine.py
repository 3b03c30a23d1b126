"""The engine under test: the real one, on simulated files, for one life between two crashes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.simulation.files import DiskFaults, SimReaders, SimWriter
from tests.simulation.loop import SimLoop
from tests.simulation.plant import Plant
from tests.simulation.vendor import CHANNEL, SimChannel, SimVendor
from tocsin.app.delivering.providers import Fleet
from tocsin.config import Config
from tocsin.domain.case import ChannelFacts
from tocsin.roles.background import background
from tocsin.wiring.channels import OpenChannels, without_providers
from tocsin.wiring.http import Driving, build_driving
from tocsin.wiring.services import Services, build
from tocsin.wiring.storage import StoreFile, open_storage
from tocsin.wiring.stores import open_stores

BEGIN_MS = 1_900_000_000_000

# An inbox that quiet hours concern, so that messages are held and released without a provider.
# What is handed over to push stays there: nobody carries it. A vendor is played for the third.
CHANNELS = {
    "inbox": ChannelFacts(configured=True, interrupts=True, needs_address=False),
    "push": ChannelFacts(configured=True, interrupts=False, needs_address=False),
    CHANNEL: ChannelFacts(configured=True, interrupts=True, needs_address=True, receipts=True),
}


class SimClock:
    """`tocsin.ports.system.Clock` on the loop's time, with a wall clock that may jump."""

    def __init__(self, loop: SimLoop, skew: Skew) -> None:
        self._loop = loop
        self._skew = skew

    def now_ms(self) -> int:
        return BEGIN_MS + int(self._loop.time() * 1_000) + self._skew.ms

    def monotonic(self) -> float:
        return self._loop.time()

    async def pause(self, ms: int) -> None:
        await self._loop.pause(ms / 1_000)

    async def sleep_until(self, at_ms: int) -> None:
        while (left_ms := at_ms - self.now_ms()) > 0:
            await self._loop.pause(min(left_ms / 1_000, 1.0))


@dataclass(slots=True)
class Skew:
    """How far the wall clock is from where it should be."""

    ms: int = 0


class SimChance:
    """`tocsin.ports.system.Chance` from the run's dice."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice

    def bytes(self, count: int) -> bytes:
        return self._dice.randbytes(count)

    def fraction(self) -> float:
        return self._dice.random()


@dataclass(slots=True)
class Life:
    """One life of the process: opened, running in the background, and killed."""

    loop: SimLoop
    clock: SimClock
    services: Services
    driving: Driving
    failures: list[BaseException] = field(default_factory=list)


@dataclass(slots=True)
class Machine:
    """What outlives the process: the folder, the wall clock, and how the disk behaves."""

    folder: Path
    config: Config
    dice: Random
    faults: DiskFaults
    plant: Plant
    skew: Skew = field(default_factory=Skew)
    vendor: SimVendor = field(default_factory=SimVendor)
    now_s: float = 0.0
    writers: list[SimWriter] = field(default_factory=list)
    _stack: AsyncExitStack | None = None

    @property
    def now_ms(self) -> int:
        """What the wall clock shows between two lives."""
        return BEGIN_MS + int(self.now_s * 1_000) + self.skew.ms

    def boot(self) -> SimLoop:
        """Return the loop of a new life."""
        return SimLoop(self.dice, self.now_s)  # type: ignore[abstract]  # only what this process needs

    def arm(self) -> bool:
        """Prepare the end of a life; False when nothing but a crash ends it."""
        return False

    def is_cut(self) -> bool:
        """Return whether something else than a crash has ended this life."""
        return False

    def open_file(
        self, path: Path, loop: SimLoop, fatal: Callable[[BaseException], None]
    ) -> StoreFile:
        """Open one of the engine's files."""
        writer = SimWriter(path, loop, self.faults, fatal)
        self.writers.append(writer)
        return StoreFile(writer, SimReaders(path, loop, self.faults))

    async def start(self, loop: SimLoop, fatal: Callable[[BaseException], None]) -> Life:
        """Open the files and start all that runs in the background."""
        stack = self._stack = AsyncExitStack()
        self.writers.clear()
        clock, chance = SimClock(loop, self.skew), SimChance(self.dice)

        def opening(_config: Config, path: Path, stack: AsyncExitStack, *_: object) -> StoreFile:
            file = self.open_file(path, loop, fatal)
            stack.callback(file.writer.close)
            stack.callback(file.readers.close)
            return file

        storage = await open_storage(
            self.config,
            self.folder,
            stack,
            now_ms=clock.now_ms(),
            on_fatal=fatal,
            opening=opening,
        )
        stores = await open_stores(self.config, self.folder, storage, stack, clock, chance)
        storage, stores = self.plant.stores(storage, stores, self.dice)
        channels = self.plant.channels(CHANNELS)
        services = await build(
            self.config, storage, stores, clock, chance, channels, self._opened(loop, clock)
        )
        services = self.plant.services(services, self.dice)
        tasks: list[object] = []

        def spawn(work: Coroutine[Any, Any, None]) -> object:
            task = loop.create_task(_guarded(work, fatal))
            tasks.append(task)
            return task

        driving = build_driving(services, loop, spawn, lambda: False)
        for work in background(services):
            spawn(work)
        spawn(_heal(driving, loop))
        return Life(loop, clock, services, driving)

    def _opened(self, loop: SimLoop, clock: SimClock) -> OpenChannels:
        wired = self.plant.providers(self.vendor.fleet(self.dice, loop, clock), self.dice)
        channels = {**_no_providers().fleet.channels, CHANNEL: SimChannel()}
        return OpenChannels(Fleet(channels, {CHANNEL: wired}, self.vendor.routes()))

    def kill(self, loop: SimLoop) -> None:
        """End the life that runs on *loop*: what was not committed is gone."""
        self.now_s = loop.time()
        loop.kill()
        if self._stack is not None:
            # Nothing in the stack waits: files are closed and threads that never ran are ended.
            closing = self._stack.aclose()
            with suppress(StopIteration):
                closing.send(None)
            self._stack = None


@cache
def _no_providers() -> OpenChannels:
    """Found once: to look for installed folders takes longer than many a life."""
    return without_providers()


async def _heal(driving: Driving, loop: SimLoop) -> None:
    """What the real process calls now and then for its sockets, more often."""
    while True:
        await loop.pause(3.0)
        driving.sessions.heal()


async def _guarded(work: Coroutine[Any, Any, None], fatal: Callable[[BaseException], None]) -> None:
    """As the real process does: a role that fails ends it."""
    try:
        await work
    except Exception as error:  # noqa: BLE001  # whatever it is, the life ends
        fatal(error)


def copy_folder(template: Path, folder: Path) -> None:
    """Begin with a folder in which a life has been before."""
    shutil.copytree(template, folder)
