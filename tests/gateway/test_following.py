"""
Whatever happens to connections, every device ends up with what the store has.

Seeded stories over real sockets and real files: several people with several devices, items in all
lanes, broadcasts, changes over sockets and over HTTP, connections that break at any moment,
expiry, and a feed that loses batches.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.contract.view_records import broadcast, item
from tests.contract.view_stores import LAYOUTS
from tests.gateway.site import Site, example_client
from tocsin.app.inbox import Filter, Reader
from tocsin.ports.log import Batch, Output

PEOPLE = (1, 2, 3)
DEVICES = 2
STEPS = 120
STATES = ("seen", "read", "unread", "archive", "unarchive", "acknowledge", "received")
Base: Any = example_client()


class Device(Base):  # type: ignore[misc]  # the class comes out of a page
    """The how-to's client, which notes what should not happen and can lose its connection."""

    def __init__(self, site: Site, number: int) -> None:
        super().__init__(f"127.0.0.1:{site.port}", site.token(number))
        self.number = number
        self.told: set[str] = set()
        self.twice: list[str] = []
        self.changed = asyncio.Event()
        self.socket: Any = None
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self.follow())
        self.task.add_done_callback(lambda _: self.changed.set())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self.task = self.socket = None

    def cut(self) -> None:
        if self.socket is not None:
            self.socket.transport.abort()

    async def say(self, message: dict[str, Any]) -> None:
        if self.socket is not None:
            with contextlib.suppress(Exception):
                await self.socket.send(json.dumps(message))

    async def take(self, socket: Any, message: dict[str, Any]) -> None:
        self.socket = socket
        if message["type"] == "item" and message["prev"] == self.cursor:
            id = message["item"]["id"]
            if id in self.told:
                self.twice.append(id)
            self.told.add(id)
        await super().take(socket, message)
        self.changed.set()

    async def go_on(self, socket: Any, load: bool) -> None:
        if load:
            # A page is from just after its cursor, so these may come once more.
            self.told.clear()
        await super().go_on(socket, load)

    def shown(self) -> dict[str, tuple[bool, ...]]:
        return {id: _flags(each) for id, each in self.items.items()}


def _flags(each: dict[str, Any]) -> tuple[bool, ...]:
    names = ("seen_at", "read_at", "acknowledged_at", "received_at")
    return tuple(name in each for name in names)


class Story:
    """One seed's events."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site = site
        self.dice = random.Random(seed)
        self.devices = [Device(site, number) for number in PEOPLE for _ in range(DEVICES)]
        self.numbers = 0
        self.last: object = None
        """How a device differed when it was last looked at."""

    async def run(self) -> None:
        for device in self.devices:
            device.start()
        for _ in range(STEPS):
            self.site.clock.advance(self.site.clock.now_ms() + self.dice.randrange(40))
            await self.step()
            for _ in range(self.dice.randrange(6)):
                await asyncio.sleep(0)
        for device in self.devices:
            if device.task is None:
                device.start()

    async def step(self) -> None:
        kind = self.dice.choices(
            ("items", "broadcast", "say", "http", "all", "cut", "away", "back", "merge", "heal"),
            (30, 4, 20, 8, 4, 8, 4, 8, 3, 3),
        )[0]
        await getattr(self, f"do_{kind}")()

    async def do_items(self) -> None:
        lane = self.dice.choice(("critical", "transactional", "bulk"))
        outputs: dict[int, list[Any]] = {}
        for number in self.dice.choices((*PEOPLE, 4), k=self.dice.randrange(1, 6)):
            self.numbers += 1
            now_ms = self.site.clock.now_ms()
            expires_ms = now_ms + 300 if self.dice.random() < 0.15 else None
            partition = self.site.stores.log.partition_of(f"inbox.{lane}", number)
            made = item(number, self.numbers, now_ms - self.dice.randrange(3), expires_ms)
            outputs.setdefault(partition, []).append(made)
        await self.site.stores.put(*(Output(f"inbox.{lane}", p, o) for p, o in outputs.items()))

    async def do_broadcast(self) -> None:
        self.numbers += 1
        receivers = self.dice.sample(PEOPLE, k=2)
        made = broadcast(receivers, self.numbers, self.site.clock.now_ms())
        await self.site.stores.put(Output("inbox.broadcasts", 0, [made]))

    async def do_say(self) -> None:
        device = self.dice.choice(self.devices)
        if device.items:
            ids = self.dice.sample(sorted(device.items), k=min(len(device.items), 2))
            await device.say({"type": self.dice.choice(STATES), "ids": ids})

    async def do_http(self) -> None:
        reader = self.reader(self.dice.choice(PEOPLE))
        found = await self.site.desk.page(reader, Filter(status="archived"), after=None, limit=5)
        keys = [bytes.fromhex(json.loads(each)["id"][4:]) for each in found.items[:1]]
        await self.site.desk.change(reader, "unarchive", keys)

    async def do_all(self) -> None:
        device = self.dice.choice(self.devices)
        state = self.dice.choice(("seen_all", "read_all", "archive_all"))
        cursor = {"cursor": device.cursor} if self.dice.random() < 0.5 and device.cursor else {}
        await device.say({"type": state, **cursor})

    async def do_cut(self) -> None:
        self.dice.choice(self.devices).cut()

    async def do_away(self) -> None:
        await self.dice.choice(self.devices).stop()

    async def do_back(self) -> None:
        for device in self.devices:
            if device.task is None:
                device.start()
                break

    async def do_merge(self) -> None:
        await self.site.stores.merge()

    async def do_heal(self) -> None:
        self.site.sessions.heal()

    def reader(self, number: int) -> Reader:
        return Reader(number, f"r{number}")

    async def agreed(self, device: Device) -> None:
        """Return when the device shows what the store has."""
        while True:
            device.changed.clear()
            page = await self.site.desk.page(
                self.reader(device.number), Filter(), after=None, limit=100
            )
            expected = {each["id"]: _flags(each) for each in map(json.loads, page.items)}
            counts = {"unseen": page.counts.unseen, "unread": page.counts.unread}
            alive = {id: flags for id, flags in device.shown().items() if id in expected}
            if alive == expected and device.counts == counts:
                return
            differ = sorted(set(expected.items()) ^ set(alive.items()))
            self.last = (device.number, differ, device.counts, counts, device.cursor)
            if device.task is not None and device.task.done():
                await device.task
            await device.changed.wait()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lossy", [False, True], ids=["whole", "lossy"])
@pytest.mark.parametrize("layout", LAYOUTS)
async def test_every_device_ends_up_with_what_the_store_has(
    tmp_path: Path, layout: str, lossy: bool, seed: int
) -> None:
    site = Site(tmp_path, layout)
    await site.open()
    story = Story(site, seed)
    dice = random.Random(seed)

    def keep(_: Sequence[Batch]) -> bool:
        return dice.random() > 0.2

    if lossy:
        site.keep = keep
    try:
        await story.run()
        site.keep = lambda _: True
        site.sessions.heal()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                for device in story.devices:
                    await story.agreed(device)
                story.last = None
        assert story.last is None
        assert [device.twice for device in story.devices] == [[] for _ in story.devices]
    finally:
        for device in story.devices:
            await device.stop()
        await site.close()
