"""
Lines behind a provider that was away: ``python -m bench.backlog DELIVERIES [--addresses N] ...``.

For an hour of virtual time all messages come for few addresses and the provider is not there; then
the process ends, and another works the lines off. Beside it, what the same messages cost that never
had to wait. Prints JSON: the machine and its calibration, the raw numbers, and of each delivery the
CPU and the reads of the store, and how fast that was.
"""

import argparse
import asyncio
import json
import logging
import resource
import shlex
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec
import structlog

from bench import calibrate, nearby
from tocsin.adapters.sqlite.connection import Readers
from tocsin.adapters.system import SystemChance, SystemClock, VirtualClock
from tocsin.app.callers import LOCAL
from tocsin.app.quiet import Quiet, Waiter
from tocsin.channels.registry import Registry, folders
from tocsin.config import Config, RawTable
from tocsin.domain.cloudevents import EventLimits, read_events
from tocsin.domain.recipient import Recipient
from tocsin.roles.background import background
from tocsin.wiring.channels import open_channels
from tocsin.wiring.sandbox import workers
from tocsin.wiring.services import Services, build
from tocsin.wiring.storage import Crash, OnFatal, StoreFile, open_file, open_storage
from tocsin.wiring.stores import open_stores

T = TypeVar("T")

BEGIN_MS = 1_900_000_000_000
ROUNDS = 360
ROUND_MS = 10_000
STEP_MS = 50
CALM_MS = 600_000
KEY = "backlog"
WORKFLOW = {
    "key": KEY,
    "on": ["backlog"],
    "steps": [{"channel": "webhook", "title": "{{ data.n }}", "body": "Now."}],
}


class CountedReaders(Readers):
    """Counts what is asked of a file."""

    reads = 0

    async def run(self, read: Callable[[apsw.Connection], T]) -> T:
        """Count, and run."""
        self.reads += 1
        return await super().run(read)


class PausingClock(VirtualClock):
    """Time that only `advance` moves, but for pauses, which are real."""

    async def pause(self, ms: int) -> None:
        """Return after *ms* of real time, or when `advance` has come so far."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ms / 1000):
                await super().pause(ms)


class Shop:
    """One process."""

    def __init__(
        self, services: Services, clock: PausingClock, readers: list[CountedReaders]
    ) -> None:
        self.services = services
        self.clock = clock
        self._readers = readers
        self._quiet = Quiet(workers(services), (), SystemClock(), longest_ms=CALM_MS)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def reads(self) -> int:
        return sum(each.reads for each in self._readers)

    @property
    def taken(self) -> list[tuple[str, int]]:
        provider = self.services.delivery.fleet.by_name()["nearby"].provider
        assert isinstance(provider, nearby.Nearby)
        return provider.taken

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(work) for work in background(self.services)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settle(self, ms: int) -> None:
        """Let time pass, and all that it brings about."""
        self.clock.advance(self.clock.now_ms() + ms)
        await asyncio.sleep(0)
        if not await self._quiet.reached():
            raise RuntimeError("the process did not come to rest")

    async def seed(self, addresses: int) -> None:
        book, stores = self.services.book, self.services.stores
        people = []
        for n in range(addresses):
            address = book.make(f"p{n}", 1, "webhook", f"https://shop.example.com/{n}")
            people.append(Recipient(0, f"p{n}", addresses=(address,), addresses_made=1))
        await stores.recipients.put(people)
        body = msgspec.json.encode(WORKFLOW)
        await stores.workflows.publish(KEY, body, "bench", BEGIN_MS)
        await self.services.registry.refresh()

    async def send(self, first: int, end: int, addresses: int) -> None:
        if first == end:
            return
        events = [
            {"type": "backlog", "id": str(n), "recipients": [f"p{n % addresses}"], "data": {"n": n}}
            for n in range(first, end)
        ]
        body = msgspec.json.encode(events)
        incoming = read_events("application/json", {}, body, EventLimits())
        await self.services.accept.take(LOCAL, incoming.items)

    def next_ms(self) -> int:
        """Return when something is due next."""
        waiters: tuple[Waiter, ...] = (self.services.timers, *self.services.delivery.lanes)
        due = [at_ms for each in waiters if (at_ms := each.next_ms()) is not None]
        return min(due, default=0)


def config_of(folder: Path, options: argparse.Namespace, *, away: bool) -> Config:
    # All at once when it is back: what the breaker spares it is not what is measured.
    values: dict[str, object] = {"away": away, "slow_start_per_second": 100_000}
    table = RawTable("nearby", {}, {}).with_values(values, "bench")
    config = Config(mode="real", data=str(folder), providers={"nearby": table})
    store = msgspec.structs.replace(config.store, layout=options.layout)
    log = msgspec.structs.replace(config.log, partitions=options.partitions)
    return msgspec.structs.replace(config, store=store, log=log)


@asynccontextmanager
async def opened(config: Config, now_ms: int) -> AsyncIterator[Shop]:
    readers: list[CountedReaders] = []

    def counted(
        config: Config, path: Path, stack: AsyncExitStack, on_fatal: OnFatal, crash: Crash | None
    ) -> StoreFile:
        file = open_file(config, path, stack, on_fatal, crash)
        readers.append(CountedReaders(path))
        stack.callback(readers[-1].close)
        return StoreFile(file.writer, readers[-1])

    folder, clock, chance = Path(config.data), PausingClock(now_ms), SystemChance()
    async with AsyncExitStack() as stack:
        storage = await open_storage(
            config, folder, stack, now_ms=now_ms, on_fatal=_fatal, opening=counted
        )
        sealed = msgspec.structs.replace(config, mode="sandbox")
        stores = await open_stores(sealed, folder, storage, stack, clock, chance)
        channels = await open_channels(config, stack, Registry([*folders(), nearby]))
        wall_ms = SystemClock().now_ms
        services = await build(
            config, storage, stores, clock, chance, opened=channels, wall_ms=wall_ms
        )
        shop = Shop(services, clock, readers)
        shop.start()
        try:
            yield shop
        finally:
            await shop.stop()


def _fatal(error: BaseException) -> None:
    raise RuntimeError("the store failed") from error


async def outage(config: Config, options: argparse.Namespace) -> int:
    """Let messages come for an hour; return the time then."""
    async with opened(config, BEGIN_MS) as shop:
        await shop.seed(options.addresses)
        sent = 0
        for n in range(1, ROUNDS + 1):
            end = options.deliveries * n // ROUNDS
            await shop.send(sent, end, options.addresses)
            sent = end
            await shop.settle(ROUND_MS)
        return shop.clock.now_ms()


async def drained(config: Config, now_ms: int, options: argparse.Namespace) -> dict[str, Any]:
    """Work everything off that waits; return what it took."""
    cpu_s, started = _cpu_s(), time.monotonic()
    async with opened(config, now_ms) as shop:
        while len(shop.taken) < options.deliveries:
            await shop.settle(max(STEP_MS, shop.next_ms() - shop.clock.now_ms()))
        measured = _each(options.deliveries, cpu_s, started, shop)
        taken = shop.taken
        measured["sent twice"] = len(taken) - len(set(taken))
        measured["last after, virtual s"] = (shop.clock.now_ms() - now_ms) / 1000
        return measured


async def fresh(config: Config, options: argparse.Namespace) -> dict[str, Any]:
    """Deliver as many that need not wait."""
    async with opened(config, BEGIN_MS) as shop:
        await shop.seed(options.addresses)
        cpu_s, started, reads = _cpu_s(), time.monotonic(), shop.reads
        for first in range(0, options.deliveries, 1_000):
            await shop.send(first, min(first + 1_000, options.deliveries), options.addresses)
            await shop.settle(1)
        return _each(options.deliveries, cpu_s, started, shop, reads)


def _each(
    deliveries: int, cpu_s: float, started: float, shop: Shop, reads: int = 0
) -> dict[str, Any]:
    used_s, took_s, asked = _cpu_s() - cpu_s, time.monotonic() - started, shop.reads - reads
    return {
        "cpu_us_each": round(used_s * 1e6 / deliveries, 1),
        "reads_each": round(asked / deliveries, 3),
        "per_second": round(deliveries / took_s),
        "raw": {"deliveries": deliveries, "cpu_s": used_s, "wall_s": took_s, "reads": asked},
    }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _measure(arguments: list[str], options: argparse.Namespace, work: Path) -> dict[str, Any]:
    command = {"command": shlex.join(["python", "-m", "bench.backlog", *arguments])}
    about = {**calibrate.machine(arguments), **command, "calibration": calibrate.calibrate(work)}
    folders_of = {name: work / name for name in ("backlog", "fresh")}
    for folder in folders_of.values():
        folder.mkdir()
    now_ms = await outage(config_of(folders_of["backlog"], options, away=True), options)
    back = config_of(folders_of["backlog"], options, away=False)
    return {
        "machine": about,
        "worked off": await drained(back, now_ms, options),
        "fresh": await fresh(config_of(folders_of["fresh"], options, away=False), options),
    }


def main(arguments: list[str]) -> None:
    """Measure once, as asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.backlog", description=__doc__)
    parser.add_argument("deliveries", type=int)
    parser.add_argument("--addresses", type=int, default=200)
    parser.add_argument("--layout", choices=["joint", "split"], default="joint")
    parser.add_argument("--partitions", type=int, default=1)
    options = parser.parse_args(arguments)
    # A provider that is away says so for each message.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as work:
        print(json.dumps(asyncio.run(_measure(arguments, options, Path(work))), indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
