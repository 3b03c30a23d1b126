"""A whole process with the toy provider, on real files, a real socket and virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec

from tests.support import toy
from tests.support.toy import spare as spare_toy
from tests.support.toy.simulator import PagerSimulator
from tests.support.waiting import StandingClock, awaited
from tocsin.adapters.system import SystemChance, SystemClock, VirtualClock
from tocsin.app.accepting.accept import Taken
from tocsin.app.callers import LOCAL, Principal
from tocsin.app.quiet import Quiet
from tocsin.channels.chat.slack.simulator import SlackSimulator
from tocsin.channels.chat.telegram.simulator import TelegramSimulator
from tocsin.channels.email.smtp.simulator import SmtpSimulator
from tocsin.channels.push.apns.simulator import ApnsSimulator
from tocsin.channels.push.fcm.simulator import FcmSimulator
from tocsin.channels.registry import Registry, folders
from tocsin.channels.webhook.http.simulator import WebhookSimulator
from tocsin.config import Config, Deliver, Outbound, RawTable, StatusWebhookSettings
from tocsin.domain.cloudevents import EventLimits, read_events
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Attempt, Settled
from tocsin.ports.simulator import Stage
from tocsin.roles.background import background
from tocsin.wiring.channels import OpenChannels, open_channels
from tocsin.wiring.process import Around
from tocsin.wiring.sandbox import workers
from tocsin.wiring.services import Services, build
from tocsin.wiring.storage import open_storage
from tocsin.wiring.stores import open_stores

BEGIN_MS = 1_900_000_000_000
LAYOUTS = ("joint", "split")
REGISTRY = Registry([*folders(), toy, spare_toy])
WORKFLOW: Mapping[str, object] = {
    "key": "alarm",
    "steps": [{"channel": "chat", "title": "Alarm", "body": "{{ data.n }}"}],
}

_STEP_MS = 10_000

Played = (
    PagerSimulator
    | WebhookSimulator
    | SmtpSimulator
    | FcmSimulator
    | ApnsSimulator
    | TelegramSimulator
    | SlackSimulator
)


class Vendor:
    """A played service, by default the toy's: it goes on while processes come and go."""

    def __init__(self, simulator: Played | None = None, stage: Stage | None = None) -> None:
        self._stage = stage
        self.simulator: Played = simulator or PagerSimulator()
        self.settings: Mapping[str, object] = {}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Vendor]:
        try:
            self.settings = await self.simulator.start(self._stage)
            yield self
        finally:
            await self.simulator.close()


class Site:
    """One process: what it holds dies with it, but for the folder."""

    def __init__(self, services: Services, clock: VirtualClock, vendor: Vendor) -> None:
        self.services = services
        self.clock = clock
        self.vendor = vendor
        self.simulator = vendor.simulator
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Run every background role."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(work) for work in background(self.services)]

    async def stop(self) -> None:
        """Drop everything in hand."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def person(
        self, name: str, *pagers: str, channel: str = "chat", provider: str | None = None
    ) -> Recipient:
        """Store a recipient with pagers, or addresses of another *channel*."""
        book, store = self.services.book, self.services.stores.recipients
        addresses = tuple(
            book.make(name, n, channel, each, provider=provider) for n, each in enumerate(pagers, 1)
        )
        one = Recipient(
            0,
            name,
            addresses=addresses,
            addresses_made=len(addresses),
            changed_ms=self.clock.now_ms(),
        )
        (stored,) = await store.put([one])
        return stored

    async def readdress(self, one: Recipient, pager: str) -> Recipient:
        """Give a recipient another pager in the place of those there are."""
        number = one.addresses_made + 1
        address = self.services.book.make(one.id, number, "chat", pager)
        changed = msgspec.structs.replace(
            one,
            addresses=(address,),
            addresses_made=number,
            version=one.version + 1,
            changed_ms=self.clock.now_ms(),
        )
        (stored,) = await self.services.stores.recipients.put([changed])
        return stored

    async def publish(self, document: Mapping[str, object] = WORKFLOW) -> None:
        """Publish a workflow."""
        body = msgspec.json.encode(document)
        workflows = self.services.stores.workflows
        await workflows.publish(str(document["key"]), body, "test", self.clock.now_ms())
        await self.services.registry.refresh()

    async def send(self, to: str, n: int, *, by: Principal = LOCAL, **more: object) -> bytes:
        """Accept an event of type ``alarm``; return its key."""
        event = {"type": "alarm", "id": f"{to}-{n}", "recipients": [to], "data": {"n": n}, **more}
        body = msgspec.json.encode([event])
        incoming = read_events("application/json", {}, body, EventLimits())
        (taken,) = await self.services.accept.take(by, incoming.items)
        assert isinstance(taken, Taken), taken
        return taken.key

    async def others_go_on(self) -> None:
        """Deliver to somebody in every partition, twice, so that all that is saved moves on."""
        for person in range(2 * self.services.storage.log.partitions):
            one = await self.person(f"other-{person}", f"other-pager-{person}")
            for n in range(2):
                event = await self.send(one.id, n)
                await self.until_settled(event, one, "sent")

    async def history(self, event: bytes, recipient: Recipient) -> list[Attempt | Settled]:
        """Return what the ledger holds about the delivery to the first pager."""
        key = delivery_of(event, recipient)
        return list((await self.services.storage.ledger.attempts([key])).get(key, ()))

    async def until_settled(
        self, event: bytes, recipient: Recipient, *states: str
    ) -> list[Attempt | Settled]:
        """Return the history as soon as it ends in one of *states*."""
        found: list[Attempt | Settled] = []

        async def ended() -> bool:
            found[:] = await self.history(event, recipient)
            return bool(found) and getattr(found[-1], "state", None) in states

        await self.until(ended, f"{recipient.id}'s delivery is {' or '.join(states)}")
        return found

    async def until_called(self, count: int) -> None:
        """Return when so many calls have arrived at the vendor."""

        async def called() -> bool:
            return len(self.simulator.calls) >= count

        await self.until(called, f"the vendor was called {count} times")

    async def until_taken(self, count: int) -> None:
        """Return when the vendor has taken so many messages."""

        async def taken() -> bool:
            return len(self.simulator.taken) >= count

        await self.until(taken, f"the vendor took {count} messages")

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str = "") -> None:
        """Return when *condition* holds, looking again whenever something was written."""

        async def holds() -> None:
            while not await condition():
                for task in self._tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0)

        await awaited(what or getattr(condition, "__qualname__", repr(condition)), holds())

    async def live_until(
        self, condition: Callable[[], Awaitable[bool]], *, step_ms: int = 100
    ) -> None:
        """Let time pass until *condition* holds."""

        async def lived() -> bool:
            await self.pass_time(step_ms)
            return await condition()

        await self.until(lived)

    async def unhurried_until(
        self, condition: Callable[[], Awaitable[bool]], *, step_ms: int = _STEP_MS
    ) -> None:
        """
        Go from due time to due time, with nothing under way in between, until it holds.

        What is due within the next *step_ms* comes with the last of it: late, if it has to be so.
        """
        quiet = Quiet(workers(self.services), (), SystemClock(), longest_ms=60_000)
        while not await condition():
            assert await quiet.reached()
            now_ms = self.clock.now_ms()
            self.clock.advance(max(self.clock.next_due_ms() or 0, now_ms + step_ms))

    async def live(self, ms: int) -> None:
        """Let so much time pass, with turns for what it brings about."""
        end_ms = self.clock.now_ms() + ms

        async def over() -> bool:
            return self.clock.now_ms() >= end_ms

        await self.live_until(over)

    async def pass_time(self, ms: int) -> None:
        """Move the clock on; what is due then fires."""
        self.clock.advance(self.clock.now_ms() + ms)


def delivery_of(event: bytes, recipient: Recipient, address: int = 1) -> bytes:
    """Return the key of the first step's delivery to one address."""
    return delivery_key(notification_key(EventKey(event), 0, recipient.number), 0, address)


@asynccontextmanager
async def process(
    folder: Path,
    layout: str,
    vendor: Vendor,
    now_ms: int = BEGIN_MS,
    *,
    spare: Vendor | None = None,
    deliver: Deliver | None = None,
    status_webhooks: StatusWebhookSettings | None = None,
    routes: Sequence[Mapping[str, object]] = (),
    around: Around | None = None,
    **settings: object,
) -> AsyncIterator[Site]:
    """
    Open the folder as a process of its own, with nothing running yet.

    *settings* are those of *vendor*; *spare* comes after it, with none. *routes* are the channel's.
    *around* puts something between the process and its stores.
    """
    providers = {}
    for each, values in ((vendor, settings), (spare, {})):
        if each is not None:
            name = each.simulator.provider
            table = RawTable(name, {}, {})
            providers[name] = table.with_values({**each.settings, **values}, "test")
    outbound = Outbound(allowed_networks=("127.0.0.0/8",))
    config = Config(
        mode="real",
        data=str(folder),
        providers=providers,
        outbound=outbound,
        deliver=deliver or Deliver(),
        status_webhooks=status_webhooks or StatusWebhookSettings(),
        channels={"chat": RawTable("chat", {"routes": list(routes)}, {"routes": "test"})},
    )
    store = msgspec.structs.replace(config.store, layout=cast(Any, layout))
    config = msgspec.structs.replace(config, store=store)
    sealed = msgspec.structs.replace(config, mode="sandbox")
    clock, chance = StandingClock(now_ms), SystemChance()
    async with AsyncExitStack() as stack:
        storage = await open_storage(config, folder, stack, now_ms=now_ms, on_fatal=_fatal)
        stores = await open_stores(sealed, folder, storage, stack, clock, chance)
        if around is not None:
            storage, stores = around(storage, stores)
        opened: OpenChannels = await open_channels(config, stack, REGISTRY)
        services = await build(
            config,
            storage,
            stores,
            clock,
            chance,
            opened=opened,
            wall_ms=SystemClock().now_ms,
        )
        site = Site(services, clock, vendor)
        try:
            yield site
        finally:
            await site.stop()


def _fatal(error: BaseException) -> None:
    raise AssertionError("storage failed") from error
