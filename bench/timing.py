"""
The timers' step on its own: ``python -m bench.timing FOLDER ROWS PER_SECOND SECONDS``.

Arms rows through the product's own store, waits until they come due, and prints as JSON what firing
them took. Nothing reads the log meanwhile, so what is counted is the step and nothing behind it.
"""

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tocsin.adapters.system import SystemChance, SystemClock
from tocsin.app.routing.intervals import interval_timer
from tocsin.app.timers import TimerStep
from tocsin.config import Config
from tocsin.domain.ids import EventKey, event_key, notification_key
from tocsin.domain.intervals import interval_key
from tocsin.domain.records import Continue, encode
from tocsin.ports.state import Timer
from tocsin.wiring.storage import open_storage
from tocsin.wiring.stores import Stores, open_stores

ARMED_AT_ONCE = 5_000
BEGIN_AFTER_MS = 5_000
SEEDING_SPARE = 3
"""By how much slower than those before the rows may be armed, so that none is due before all are."""
LATER_MS = 30 * 86_400_000
WAITED_MS = 3_600_000


class Watched:
    """The store of timers, noting how late each record was durable."""

    def __init__(self, stores: Stores, clock: SystemClock) -> None:
        self._timers = stores.timers
        self._clock = clock
        self._due: Sequence[Timer] = ()
        self.late_ms: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._timers, name)

    def on_arm(self, tell: Callable[[], None]) -> None:
        """Rows that are armed meanwhile are not of this measurement."""
        self._timers.on_arm(tell)

    async def due(self, now_ms: int, limit: int) -> Sequence[Timer]:
        """Remember what is fired next."""
        self._due = await self._timers.due(now_ms, limit)
        return self._due

    async def fired(self, keys: Sequence[bytes], now_ms: int) -> None:
        """The records are durable by now."""
        at_ms = self._clock.now_ms()
        self.late_ms.extend(at_ms - timer.due_ms for timer in self._due)
        await self._timers.fired(keys, now_ms)


def timer(number: int, due_ms: int, partitions: int) -> Timer:
    """One run that waits."""
    event = event_key(due_ms - WAITED_MS, number.to_bytes(10, "big"))
    about = interval_key(notification_key(EventKey(event), 0, number % 1_000_000 + 1), 0)
    key = interval_timer(about)
    partition = number % partitions
    record = Continue(key, due_ms, "bulk", partition, number, 0, number % 1_000_000 + 1, 0)
    return Timer(key, due_ms, "events.bulk", partition, encode(record), about, "delay")


async def measure(folder: Path, rows: int, per_s: int, seconds: int) -> dict[str, Any]:
    """Seed, fire, and return the numbers."""
    config, clock, chance = Config(data=str(folder), mode="sandbox"), SystemClock(), SystemChance()
    async with AsyncExitStack() as stack:
        storage = await open_storage(config, folder, stack, now_ms=clock.now_ms(), on_fatal=_end)
        stores = await open_stores(config, folder, storage, stack, clock, chance)
        began = time.monotonic()
        due = per_s * seconds
        partitions = storage.log.partitions
        await _arm(stores, range(due, rows), clock.now_ms() + LATER_MS, partitions, 1_000)
        each_s = (time.monotonic() - began) / max(1, rows - due)
        first_ms = clock.now_ms() + BEGIN_AFTER_MS + int(due * each_s * SEEDING_SPARE * 1_000)
        await _arm(stores, range(due), first_ms, partitions, per_s)
        seeded_s = time.monotonic() - began
        watched = Watched(stores, clock)
        step = TimerStep(storage.log, watched, clock, _nothing)
        task = asyncio.create_task(step.run())
        await clock.sleep_until(first_ms - 500)
        before = time.process_time()
        await clock.sleep_until(first_ms + seconds * 1_000 + 2_000)
        cpu_s = time.process_time() - before
        task.cancel()
        late = sorted(watched.late_ms)
    return {
        "rows": rows,
        "fired": len(late),
        "due": due,
        "cpu_us_each": round(cpu_s * 1e6 / max(1, len(late)), 2),
        "late_ms": {
            name: late[min(len(late) - 1, int(len(late) * share))] if late else None
            for name, share in (("p50", 0.50), ("p99", 0.99), ("max", 1.0))
        },
        "seeded_s": round(seeded_s, 1),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1),
    }


async def _arm(stores: Stores, numbers: range, from_ms: int, partitions: int, per_s: int) -> None:
    for first in range(numbers.start, numbers.stop, ARMED_AT_ONCE):
        some = range(first, min(first + ARMED_AT_ONCE, numbers.stop))
        await stores.timers.claim_arm(
            [timer(n, from_ms + (n - numbers.start) * 1_000 // per_s, partitions) for n in some]
        )
        # Behind whatever is queued: nothing of it is to fall into what is measured.
        await stores.timers.known([b"nothing"])


def _end(error: BaseException) -> None:
    print(f"the store failed: {error!r}", file=sys.stderr)
    os._exit(1)


async def _nothing() -> None:
    return


if __name__ == "__main__":
    target, *numbers = sys.argv[1:]
    print(json.dumps(asyncio.run(measure(Path(target), *map(int, numbers)))))
