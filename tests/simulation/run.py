"""One run: a seed, a shop, some clients, several crashes; then quiet, and the checker."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Protocol

import structlog
from msgspec.structs import replace

from tests.simulation.admins import Admin
from tests.simulation.devices import Device
from tests.simulation.engine import Life, Machine, copy_folder
from tests.simulation.files import DiskFaults
from tests.simulation.final import Final, flags_of, read_final
from tests.simulation.history import History
from tests.simulation.invariants import check
from tests.simulation.leaver import Leaver
from tests.simulation.logs import keep_logs
from tests.simulation.loop import SimLoop, Stuck
from tests.simulation.operators import Operator
from tests.simulation.plant import Plant
from tests.simulation.postman import Postman
from tests.simulation.producers import Producer
from tests.simulation.quiet import quieten
from tests.simulation.shop import PEOPLE, furnish
from tocsin.config import Config
from tocsin.config.tables import Log, Route, Store
from tocsin.errors import StorageFailed, Unavailable

_STEPS_MAX = 400_000
_LIVES_MAX = 12


class Outcome(NamedTuple):
    """What a run came to."""

    seed: int
    violations: list[str]
    trace: str
    lines: list[str]
    lives: int
    steps: int


class Templates:
    """Furnished folders, one for each layout and number of partitions; copied for each run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs = 0

    def folder_for(self, config: Config) -> Path:
        """Return a fresh folder that has been furnished."""
        name = f"{config.store.layout}-{config.log.partitions}"
        template = self._folder / name
        if not template.exists():
            _furnish(replace(config, data=str(template)), template)
        self._runs += 1
        folder = self._folder / f"run-{self._runs}"
        copy_folder(template, folder)
        return folder


def memory_folder() -> Path:
    """Return a new folder, in memory where the machine has such a place."""
    shm = Path("/dev/shm")  # a folder of its own is made in it
    return Path(tempfile.mkdtemp(prefix="tocsin-sim-", dir=shm if shm.is_dir() else None))


def simulate(
    seed: int,
    templates: Templates,
    plant: Plant | None = None,
    *,
    keep_lines: bool = False,
    machine: type[Machine] = Machine,
) -> Outcome:
    """Run one seed on a machine of this kind."""
    before = structlog.get_config()
    logged: list[str] = []
    keep_logs(logged)
    run = _Run(seed, templates, plant or Plant(), machine, keep_lines=keep_lines)
    run.history.logged = logged
    try:
        return run.play()
    finally:
        structlog.configure(**before)
        shutil.rmtree(run.machine.folder)


@dataclass(slots=True)
class _Ending:
    """How one life ended."""

    fatal: bool = False
    finished: bool = False
    final: Final | None = None


class Client(Protocol):
    """Somebody who calls, and goes on in the next life of the server."""

    def finished(self) -> bool: ...

    def run(self, life: Life) -> Coroutine[Any, Any, None]: ...


@dataclass(slots=True)
class _Crowd:
    """All clients of a run."""

    producers: list[Producer]
    devices: list[Device]
    admin: Admin
    operator: Operator
    leaver: Leaver
    postman: Postman

    def everyone(self) -> list[Client]:
        others = (self.admin, self.operator, self.leaver, self.postman)
        return [*self.producers, *self.devices, *others]

    def finished(self) -> bool:
        return all(each.finished() for each in self.everyone())

    def work(self, life: Life) -> list[Coroutine[Any, Any, None]]:
        return [each.run(life) for each in self.everyone()]


@dataclass(slots=True)
class _Run:
    seed: int
    templates: Templates
    plant: Plant
    kind: type[Machine] = Machine
    keep_lines: bool = False
    lives: int = 0
    steps: int = 0
    history: History = field(init=False)
    machine: Machine = field(init=False)
    crowd: _Crowd = field(init=False)
    crashes: list[int] = field(init=False)

    def __post_init__(self) -> None:
        dice = Random(self.seed)
        config = self.plant.config(_config(dice))
        self.history = History(keep_lines=self.keep_lines)
        folder = self.templates.folder_for(config)
        config = replace(config, data=str(folder))
        self.machine = self.kind(folder, config, dice, _faults(dice), self.plant)
        self.machine.vendor.names = dice.choice((("first",), ("first", "second")))
        self.machine.vendor.weighted = self.seed % 4 > 1
        self.crowd = _crowd(dice, self.history, self.machine)
        faults = self.machine.faults
        self.history.disturbed = bool(faults.full or faults.slow)
        self.crashes = [dice.randint(20, 2_500) for _ in range(dice.choice((0, 1, 2, 3, 5)))]

    def play(self) -> Outcome:
        """Live until all clients are done, then look at what is left."""
        violations: list[str] = []
        ending = _Ending()
        while not ending.finished and not violations:
            ending = self._next_life(violations)
        violations += [f"engine: {error}" for error in self.history.errors]
        if ending.final is not None:
            violations += check(self.history, ending.final)
            for line in ending.final.lines():
                self.history.note(line)
        history = self.history
        return Outcome(self.seed, violations, history.trace, history.lines, self.lives, self.steps)

    def _next_life(self, violations: list[str]) -> _Ending:
        self.lives += 1
        if self.lives > _LIVES_MAX:
            self.machine.faults.full = self.machine.faults.broken = 0.0
            self.crashes.clear()
        if self.lives > 3 * _LIVES_MAX:
            violations.append("stuck: the process dies again and again")
        loop = self.machine.boot()
        ending = _Ending()
        crash_after = self.crashes.pop() if self.crashes else None
        if crash_after is not None and self.machine.arm():
            crash_after = None
        try:
            self._live(loop, ending, crash_after)
        except Stuck as stuck:
            violations.append(f"stuck: {stuck}")
        self.steps += loop.steps
        violations += [f"engine: {error!r}" for error in loop.errors]
        self.machine.kill(loop)
        self.history.deaths_ms.append(self.machine.now_ms)
        self.history.note(f"life {self.lives} ended at {self.machine.now_s:.6f}")
        return ending

    def _live(self, loop: SimLoop, ending: _Ending, crash_after: int | None) -> None:
        """Run one life to its crash, or to the end of everything."""

        def fatal(error: BaseException) -> None:
            ending.fatal = True
            self.history.note(f"fatal {error!r}")
            if not _is_fault(error):
                loop.errors.append(error)

        async def main() -> None:
            life = await self.machine.start(loop, fatal)
            clients = [loop.create_task(work) for work in self.crowd.work(life)]
            while not self.crowd.finished():
                await _pause(loop, 0.05)
            faults = self.machine.faults
            faults.full = faults.broken = faults.slow = 0.0
            self.machine.vendor.calm = True
            await quieten(life, self.machine, self.crowd.devices)
            ending.final = await read_final(life, self.machine.config.store.layout)
            self._look_at_devices(ending.final)
            ending.final.calls = list(self.machine.vendor.calls)
            ending.final.reported = dict(self.machine.vendor.reported)
            for client in clients:
                client.cancel()
            ending.finished = True

        async def guarded() -> None:
            try:
                await main()
            except Exception as error:  # noqa: BLE001  # sorted into faults and findings
                fatal(error)

        task = loop.create_task(guarded())
        loop.run(
            lambda: (
                ending.fatal
                or ending.finished
                or self.machine.is_cut()
                or (crash_after is not None and loop.steps >= crash_after)
            ),
            steps_max=_STEPS_MAX,
        )
        del task

    def _look_at_devices(self, final: Final) -> None:
        for device in self.crowd.devices:
            flags = {id: flags_of(item) for id, item in device.items.items()}
            final.devices[device.name] = (device.person, flags, device.counts)


def _config(dice: Random) -> Config:
    return Config(
        # What there is room for is the machine's, so no run depends on it.
        store=Store(layout=dice.choice(("joint", "split")), ballast_bytes=0),
        log=Log(partitions=dice.choice((1, 2, 3))),
        route=Route(
            batch_events_max=dice.choice((1, 3, 8, 1_000)), fanout_threshold=dice.choice((1_000,))
        ),
    )


def _faults(dice: Random) -> DiskFaults:
    return DiskFaults(
        full=dice.choice((0.0, 0.0, 0.02)),
        broken=dice.choice((0.0, 0.0, 0.005)),
        slow=dice.choice((0.0, 0.0, 0.01, 0.1)),
        quick=dice.choice((0.2, 0.8)),
        group_max=dice.choice((1, 4, 64)),
    )


def _crowd(dice: Random, history: History, machine: Machine) -> _Crowd:
    producers = [
        Producer(f"s{n}", dice, history, dice.randint(5, 20)) for n in range(dice.randint(1, 3))
    ]
    devices = [
        Device(f"d{n}", dice.choice(PEOPLE[:2]), dice, history, dice.randint(0, 12))
        for n in range(dice.randint(0, 3))
    ]
    back = dice.random() < 0.5
    admin = Admin(dice, history, machine, dice.randint(0, 8), back)
    operator = Operator(dice, history, dice.choice((0, 0, 1, 2, 4)))
    leaver = Leaver(dice, history, dice.choice((0, 0, 1, 3)))
    postman = Postman(machine.vendor, dice, history)
    return _Crowd(producers, devices, admin, operator, leaver, postman)


def _furnish(config: Config, folder: Path) -> None:
    folder.mkdir()
    dice = Random(0)
    machine = Machine(folder, config, dice, DiskFaults(quick=1.0), Plant())
    loop = machine.boot()
    done: list[bool] = []
    failures: list[BaseException] = []

    async def main() -> None:
        try:
            await furnish(await machine.start(loop, failures.append))
        except BaseException as error:
            failures.append(error)
            raise
        done.append(True)

    task = loop.create_task(main())
    loop.run(lambda: bool(done or failures), steps_max=_STEPS_MAX)
    del task
    machine.kill(loop)
    if failures:
        raise failures[0]


def _is_fault(error: BaseException) -> bool:
    """Return whether it is what a disk does, and no finding."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_fault(each) for each in error.exceptions)
    return isinstance(error, StorageFailed | Unavailable)


async def _pause(loop: SimLoop, seconds: float) -> None:
    await loop.pause(seconds)
