"""
How long writes wait while retention removes what is old.

    PYTHONPATH=src python -m bench.keeping [ROWS]

Fills a log with old inbox items, then appends at a steady rate, first alone and then beside the
removal of all of them, and prints percentiles of both in milliseconds.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec

from tocsin.adapters.system import SystemChance, SystemClock
from tocsin.config import Config
from tocsin.domain.records import Item
from tocsin.ports.log import Output
from tocsin.wiring.keeping import build_keeper
from tocsin.wiring.storage import Storage, open_storage
from tocsin.wiring.stores import open_stores

TOPIC: Final = "inbox.bulk"
BATCH: Final = 200
EVERY_S: Final = 0.01
ALONE: Final = 300
DAY_MS: Final = 86_400_000


def items(count: int, visible_ms: int) -> list[Item]:
    """Return items of about a kilobyte."""
    key = visible_ms.to_bytes(6, "big") + bytes(10)
    return [
        Item(key, number + 1, f"r{number}", visible_ms, "news", b"x" * 900)
        for number in range(count)
    ]


async def appends(storage: Storage, times_ms: list[float], until: asyncio.Event) -> None:
    """Append until told to stop; each is due at its own time, however late the one before was."""
    due = time.perf_counter()
    while not until.is_set():
        begun = time.perf_counter()
        await storage.log.append([Output(TOPIC, 0, items(20, time.time_ns() // 1_000_000))])
        times_ms.append((time.perf_counter() - max(due, begun - EVERY_S)) * 1_000)
        due += EVERY_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


def shown(name: str, times_ms: list[float]) -> str:
    """Return percentiles in a line."""
    ranked = sorted(times_ms)
    at = [ranked[min(int(len(ranked) * q), len(ranked) - 1)] for q in (0.5, 0.99, 0.999)]
    return f"{name:16} p50 {at[0]:6.2f}  p99 {at[1]:6.2f}  p99.9 {at[2]:6.2f}  ({len(ranked)})"


async def run(rows: int, folder: Path) -> None:
    """Fill, measure alone, measure beside the removal."""
    config = msgspec.structs.replace(Config(), data=str(folder))
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        storage = await open_storage(
            config,
            folder,
            stack,
            now_ms=clock.now_ms(),
            on_fatal=lambda error: sys.exit(str(error)),
        )
        stores = await open_stores(config, folder, storage, stack, clock, SystemChance())
        keeper = build_keeper(config, storage, stores, clock, asyncio.sleep)
        old = items(BATCH, clock.now_ms() - 100 * DAY_MS)
        for _ in range(rows // BATCH):
            await storage.log.append([Output(TOPIC, 0, old)])
        alone: list[float] = []
        beside: list[float] = []
        took_s = 0.0
        for times_ms, work in ((alone, asyncio.sleep(ALONE * EVERY_S)), (beside, keeper.once())):
            stop = asyncio.Event()
            task = asyncio.create_task(appends(storage, times_ms, stop))
            begun = time.perf_counter()
            await work
            took_s = time.perf_counter() - begun
            stop.set()
            await task
        print(shown("alone", alone))
        print(shown("beside removal", beside))
        print(
            f"removed {keeper.removed[TOPIC]} records, {keeper.removed_bytes >> 20} MiB, {took_s:.1f} s"
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000, Path(name)))
