"""All use cases of sending on real files and virtual time, with a channel that quiet hours hold."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from tests.support.waiting import StandingClock, awaited
from tocsin.adapters.system import SystemChance
from tocsin.app.accepting.accept import Taken
from tocsin.app.callers import LOCAL
from tocsin.app.project import Expander, Projector
from tocsin.config import Config
from tocsin.domain.case import ChannelFacts
from tocsin.domain.cloudevents import EventLimits, read_events
from tocsin.domain.lanes import LANES
from tocsin.domain.preferences import Preferences, QuietHours
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Broadcast, Handoff, Record
from tocsin.roles.background import persistent
from tocsin.wiring.channels import without_providers
from tocsin.wiring.http import Driving, build_driving
from tocsin.wiring.services import Services, build
from tocsin.wiring.storage import open_storage
from tocsin.wiring.stores import Stores, open_stores

_LIMIT_S = 40
"""What a fan-out on a busy machine may take, and less than a test has."""
NOON_MS = 1_900_022_400_000 // 86_400_000 * 86_400_000 + 43_200_000
HOUR_MS = 3_600_000
ALL_DAY_BUT_EVENING = QuietHours((), 0, 20 * 60)
"""Silence until 20:00 UTC."""


PUSH = ChannelFacts(configured=True, interrupts=True, needs_address=False)


class Abandoned:
    """Awaits a coroutine and leaves it for good at its *at*-th suspension; True when it got there."""

    def __init__(self, work: Coroutine[Any, Any, None], at: int) -> None:
        self._work = work
        self._at = at

    def __await__(self) -> Generator[Any, None, bool]:
        for _ in range(self._at):
            try:
                waits_for = self._work.send(None)
            except StopIteration:
                return False
            yield waits_for
        self._work.close()
        return True


class SendingSite:
    """One folder that can be closed and opened again, as after the end of a process."""

    services: Services
    driving: Driving

    def __init__(
        self,
        folder: Path,
        layout: str,
        *,
        around: Callable[[Stores], Stores] = lambda stores: stores,
        http: Mapping[str, int] | None = None,
        **route: int,
    ) -> None:
        """*around* may put a fault between the use cases and their stores."""
        self._folder = folder
        self._layout = layout
        self._route = route
        self._around = around
        self._http = http or {}
        self.clock = StandingClock(NOON_MS)
        self._stack = AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []

    async def open(self) -> None:
        config = Config(data=str(self._folder), mode="sandbox")
        config = msgspec.structs.replace(
            config,
            store=msgspec.structs.replace(config.store, layout=self._layout),
            route=msgspec.structs.replace(config.route, **self._route),
            http=msgspec.structs.replace(config.http, **self._http),
        )
        chance = SystemChance()
        storage = await open_storage(
            config, self._folder, self._stack, now_ms=self.clock.now_ms(), on_fatal=_fatal
        )
        stores = self._around(
            await open_stores(config, self._folder, storage, self._stack, self.clock, chance)
        )
        channels = {**without_providers().facts(), "push": PUSH}
        self.services = await build(config, storage, stores, self.clock, chance, channels)
        loop = asyncio.get_running_loop()
        self.driving = build_driving(self.services, loop, self.spawn, lambda: False)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    async def reopen(self) -> None:
        await self.close()
        await self.open()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures.append(error)

    def _persist(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        _ = self.spawn(persistent(self.clock, "apart", run))

    def follow(self) -> None:
        """Run route and what follows from it."""
        log, services = self.services.storage.log, self.services
        for lane in LANES:
            _ = self.spawn(services.router.run(lane))
        if not log.atomic_with_views:
            for lane in LANES:
                self._persist(partial(Expander(log).run, lane))
            for view, of in (
                (services.storage.inbox, services.inbox_projection),
                (services.storage.ledger, services.ledger_projection),
            ):
                self._persist(Projector(log, view, of).run)

    def start(self) -> None:
        """Run everything."""
        self.follow()
        for lane in LANES:
            _ = self.spawn(self.services.fanouts.run(lane))
        _ = self.spawn(self.services.timers.run())
        _ = self.spawn(self.services.tracker.run())
        _ = self.spawn(self.services.delivery.receipts.step.run())

    async def publish(self, document: dict[str, object]) -> None:
        key = str(document["key"])
        body = msgspec.json.encode(document)
        await self.services.stores.workflows.publish(key, body, "test", self.clock.now_ms())
        await self.services.registry.refresh()

    async def people(self, count: int, preferences: Preferences | None = None) -> list[Recipient]:
        """Create recipients, named by what they prefer and a number."""
        name = "p" if preferences is None else "q"
        made = [
            Recipient(0, f"{name}{n}", version=1, preferences=preferences) for n in range(count)
        ]
        stored = await self.services.stores.recipients.put(made)
        await self.services.stores.recipients.durable()
        return list(stored)

    async def send(self, **event: object) -> bytes:
        body = msgspec.json.encode(event)
        incoming = read_events("application/json", {}, body, EventLimits())
        taken = (await self.services.accept.take(LOCAL, incoming.items))[0]
        assert isinstance(taken, Taken), taken
        return taken.key

    async def until(self, what: str, holds: Any) -> None:
        """Wait until *holds* answers true."""

        async def held() -> None:
            while not await holds():
                if self._failures:
                    raise AssertionError(f"a role failed before: {what}") from self._failures[0]
                await asyncio.sleep(0)

        await awaited(what, held(), _LIMIT_S)

    async def routed(self) -> None:
        """Return when every input on the log has its plan, and what follows from that."""
        log = self.services.storage.log

        async def follows(group: str, kind: str) -> bool:
            done = await log.committed(group)
            return all(
                done.get((topic, p), 0) >= log.end(topic, p)
                for topic in (f"{kind}.{lane}" for lane in LANES)
                for p in range(log.partitions)
            )

        async def seen() -> bool:
            # A position that is read from the file may be ahead of what the loop was told.
            return all(
                log.end(f"plans.{lane}", p) >= log.end(f"events.{lane}", p)
                for lane in LANES
                for p in range(log.partitions)
            )

        await self.until("routed", lambda: follows("route", "events"))
        await self.until("plans seen", seen)
        if not log.atomic_with_views:
            await self._told()
            await self.until("expanded", lambda: follows("expand", "plans"))
        await self._told()

    async def _told(self) -> None:
        """A commit shows in the file before this process has heard of its records."""
        for writer in self.services.storage.writers.values():
            await writer.flush()

    async def quiet(self) -> None:
        """Return when nothing is due any more and all that followed from it is done."""
        timers, tracker = self.services.stores.timers, self.services.tracker

        async def nothing_left() -> bool:
            await awaited("tracked", tracker.caught_up())
            await self.routed()
            return not await timers.due(self.clock.now_ms(), 1)

        await self.until("quiet", nothing_left)
        await awaited("tracked", tracker.caught_up())
        await self.routed()

    async def fanned_out(self, event: bytes) -> None:
        """Return when the event's fan-outs are done and their individuals decided."""

        async def done() -> bool:
            rows = await self.services.stores.fanouts.of_event(event)
            return bool(rows) and all(row.state == "done" for row in rows)

        await self.until("fanned out", done)
        await self.routed()

    async def records(self, topic: str) -> list[Record]:
        """Return everything that lies in a topic."""
        log = self.services.storage.log
        found: list[Record] = []
        for partition in range(log.partitions):
            position = 0
            while position < log.end(topic, partition):
                batch = await log.read(topic, partition, position, records_max=10_000)
                found += batch.records  # type: ignore[arg-type]  # nothing here is poison
                position = batch.end
        return found

    async def handed(self, event: bytes, lane: str = "bulk") -> Counter[int]:
        """Return how often each recipient was handed over for *event*."""
        records = await self.records(f"deliver.push.{lane}")
        return Counter(
            each.recipient
            for each in records
            if isinstance(each, Handoff) and each.delivery[:10] == event[:10]
        )

    async def chunks(self, event: bytes) -> Counter[tuple[int, int, int]]:
        """Return how often each chunk of *event* was written."""
        records = await self.records("inbox.broadcasts")
        return Counter(
            (each.step, each.block, each.part)
            for each in records
            if isinstance(each, Broadcast) and each.event == event
        )

    async def settled(self) -> dict[tuple[str, str, str], int]:
        """Return what the ledger counts, all that is on the log followed."""
        log, ledger = self.services.storage.log, self.services.storage.ledger

        async def followed() -> bool:
            marks = await ledger.marks()
            topics = [f"{kind}.{lane}" for kind in ("plans", "inbox") for lane in LANES]
            return log.atomic_with_views or all(
                marks.get((topic, p), 0) >= log.end(topic, p)
                for topic in (*topics, "inbox.broadcasts", "outcomes")
                for p in range(log.partitions)
            )

        await self.until("followed", followed)
        return dict(await ledger.settled_counts(0, 1 << 47))

    async def client(self, role: str = "admin", **limits: Any) -> httpx2.AsyncClient:
        """Return a client with a key of *role*, limited in what it may send."""
        _, key = await self.driving.keys.create(LOCAL, "test", [role], **limits)
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.driving.api.network()),
            base_url="http://tocsin.test",
            headers={"Authorization": f"Bearer {key}"},
        )


def inbox_and_push(key: str, **more: object) -> dict[str, object]:
    """Return a workflow's document."""
    steps: Sequence[dict[str, object]] = (
        {"channel": "inbox", "title": "Hello", "body": "It is {{ data.what }}"},
        {"channel": "push"},
    )
    return {"key": key, "on": [key], "lane": "bulk", "steps": list(steps), **more}


def _fatal(error: BaseException) -> None:
    raise AssertionError("storage failed") from error
