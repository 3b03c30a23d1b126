"""The use cases on real files and virtual time, with every background role of one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import msgspec

from tests.support.waiting import StandingClock, awaited
from tocsin.adapters.system import SystemChance, VirtualClock
from tocsin.app.accepting.accept import Taken
from tocsin.app.callers import LOCAL
from tocsin.app.project import Expander, Projector
from tocsin.config import Config
from tocsin.domain.case import ChannelFacts
from tocsin.domain.cloudevents import EventLimits, read_events
from tocsin.domain.lanes import LANES
from tocsin.domain.workflow import compile_workflow
from tocsin.domain.workflow_read import read_document
from tocsin.ports.state import Fanout
from tocsin.ports.views import InboxView, LedgerView
from tocsin.roles.background import persistent
from tocsin.wiring.process import Around
from tocsin.wiring.services import Services, build
from tocsin.wiring.storage import JOINT, SPLIT, open_storage
from tocsin.wiring.stores import open_stores

_LIMIT_S = 40
"""What a fan-out on a busy machine may take, and less than a test has."""
BEGIN_MS = 1_900_000_000_000
LAYOUTS = ("joint", "split")


class Town:
    """An open folder: events go in, plans and views come out."""

    def __init__(self, folder: Path, services: Services, clock: VirtualClock) -> None:
        self.folder = folder
        self.services = services
        self.clock = clock
        self._roles: list[asyncio.Task[None]] = []

    async def publish(self, document: Mapping[str, object]) -> None:
        """Publish a workflow."""
        compile_workflow(read_document(dict(document)), 1)
        key = str(document["key"])
        body = msgspec.json.encode(document)
        await self.services.stores.workflows.publish(key, body, "test", self.clock.now_ms())
        await self.services.registry.refresh()

    async def send(self, *events: Mapping[str, object]) -> list[bytes]:
        """Accept events; return their keys."""
        incoming = read_events("application/json", {}, msgspec.json.encode(events), EventLimits())
        taken = await self.services.accept.take(LOCAL, incoming.items)
        assert all(isinstance(each, Taken) for each in taken), taken
        return [each.key for each in taken if isinstance(each, Taken)]

    def start(self, *, fanouts: bool = True) -> None:
        """Run the roles that follow the log."""
        log, services = self.services.storage.log, self.services
        work = [services.router.run(lane) for lane in LANES]
        if fanouts:
            work += [services.fanouts.run(lane) for lane in LANES]
        work += [services.timers.run(), services.tracker.run()]
        # Timers wait until all that was reported has been looked at.
        work.append(services.delivery.receipts.step.run())
        if not log.atomic_with_views:
            again = partial(persistent, self.clock, "apart")
            work += [again(partial(Expander(log).run, lane)) for lane in LANES]
            inbox, ledger = services.inbox_projection, services.ledger_projection
            work.append(again(Projector(log, services.storage.inbox, inbox).run))
            work.append(again(Projector(log, services.storage.ledger, ledger).run))
        loop = asyncio.get_running_loop()
        self._roles = [loop.create_task(each) for each in work]

    async def stop(self) -> None:
        """End the roles."""
        for task in self._roles:
            task.cancel()
        await asyncio.gather(*self._roles, return_exceptions=True)
        self._roles = []

    async def routed(self) -> None:
        """Return when everything accepted is routed, followed and in the views."""
        log = self.services.storage.log
        for lane in LANES:
            await self._reached("route", f"events.{lane}")
        # A commit shows in the file before this process has heard of it.
        for writer in self.services.storage.writers.values():
            await writer.flush()
        if log.atomic_with_views:
            return
        for lane in LANES:
            await self._reached("expand", f"plans.{lane}")
        inboxes = [f"inbox.{lane}" for lane in LANES]
        await self._followed(self.services.storage.inbox, inboxes)
        plans = [f"plans.{lane}" for lane in LANES]
        await self._followed(self.services.storage.ledger, [*plans, *inboxes])

    async def decided(self, event: bytes) -> None:
        """Return when the event's fan-outs are done and in the views."""
        await self.routed()

        async def done() -> bool:
            return all(row.state == "done" for row in await self._fanouts(event))

        await self._until("fanned out", done)
        log = self.services.storage.log
        if not log.atomic_with_views:
            for view in (self.services.storage.inbox, self.services.storage.ledger):
                await self._followed(view, ["inbox.broadcasts"])

    async def followed(self) -> None:
        """Return when the views hold every change that a person made."""
        if not self.services.storage.log.atomic_with_views:
            for view in (self.services.storage.inbox, self.services.storage.ledger):
                await self._followed(view, ["inbox.states"])

    async def _fanouts(self, event: bytes) -> Sequence[Fanout]:
        return await self.services.stores.fanouts.of_event(event)

    async def _followed(self, view: InboxView | LedgerView, topics: Sequence[str]) -> None:
        log = self.services.storage.log
        places = [(topic, p) for topic in topics for p in range(log.partitions)]

        async def followed() -> bool:
            marks = await view.marks()
            return all(marks.get(place, 0) >= log.end(*place) for place in places)

        await self._until(f"{', '.join(topics)} followed", followed)

    async def _reached(self, group: str, topic: str) -> None:
        log = self.services.storage.log

        async def reached() -> bool:
            done = await log.committed(group)
            return all(done.get((topic, p), 0) >= log.end(topic, p) for p in range(log.partitions))

        await self._until(f"{group} has read {topic}", reached)

    async def _until(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        async def holds() -> None:
            while not await condition():
                for role in self._roles:
                    if role.done():
                        role.result()
                await asyncio.sleep(0)

        await awaited(what, holds(), _LIMIT_S)

    async def records(self, topic: str) -> list[object]:
        """Return everything that lies in a topic."""
        log = self.services.storage.log
        found: list[object] = []
        for partition in range(log.partitions):
            position = 0
            while position < log.end(topic, partition):
                batch = await log.read(topic, partition, position, records_max=10_000)
                found += batch.records
                position = batch.end
        return found

    def damage(self, db: str, sql: str, values: Sequence[Any] = ()) -> int:
        """Change a file behind the program's back; return how many rows."""
        name = JOINT if self.services.storage.log.atomic_with_views else SPLIT[db]
        connection = apsw.Connection(str(self.folder / name))
        connection.set_busy_timeout(5_000)
        connection.execute(sql, tuple(values))
        changed = connection.changes()
        connection.close()
        return changed


@asynccontextmanager
async def opened(
    folder: Path,
    layout: str,
    channels: Mapping[str, ChannelFacts] | None = None,
    *,
    around: Around | None = None,
    **changes: Any,
) -> AsyncIterator[Town]:
    """
    Open a town, with nothing running yet.

    *around* puts something between the use cases and their stores.
    """
    config = Config()
    store = msgspec.structs.replace(config.store, layout=layout)
    config = msgspec.structs.replace(
        config, data=str(folder), mode="sandbox", store=store, **changes
    )
    clock, chance = StandingClock(BEGIN_MS), SystemChance()
    async with AsyncExitStack() as stack:
        storage = await open_storage(config, folder, stack, now_ms=clock.now_ms(), on_fatal=_fatal)
        stores = await open_stores(config, folder, storage, stack, clock, chance)
        if around is not None:
            storage, stores = around(storage, stores)
        services = await build(config, storage, stores, clock, chance, channels)
        town = Town(folder, services, clock)
        try:
            yield town
        finally:
            await town.stop()


def _fatal(error: BaseException) -> None:
    raise AssertionError("storage failed") from error
