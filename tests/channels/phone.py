"""Somebody's phone: what a provider sends to it, and what its vendor reports of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Generic, Self, TypeVar

from msgspec.structs import replace

from tests.contract.providers import AT_MS, REGISTRY, Vendor
from tocsin.channels.sms import CHANNEL
from tocsin.ports.message import Message
from tocsin.ports.receipts import Callback, Reading, Response
from tocsin.ports.simulator import Action, Deed, Simulator, Stage

S = TypeVar("S", bound=Simulator)


class Phone(Generic[S]):
    """A provider that is led to its simulator, and what the vendor's callbacks say."""

    kind: type[S]

    def __init__(self, vendor: Vendor, simulator: S) -> None:
        self.vendor = vendor
        self.simulator = simulator
        self.told: list[Callback] = []
        self.readings: list[Reading] = []

    @classmethod
    @asynccontextmanager
    async def opened(cls, stage: Stage | None = None, **values: object) -> AsyncIterator[Self]:
        """Play the vendor on *stage*; *values* are further settings of its provider."""
        async with AsyncExitStack() as stack:
            simulator = cls.kind()
            stack.push_async_callback(simulator.close)
            played = await simulator.start(stage)
            spec = REGISTRY.spec(simulator.provider)
            vendor = Vendor(spec, simulator, {**played, **values})
            stack.push_async_callback(vendor.close)
            yield cls(vendor, simulator)

    async def tell(self, callback: Callback) -> Response:
        """Let the provider read what its vendor reports."""
        self.told.append(callback)
        self.readings.append(await self.vendor.provider.read_callback(callback))
        return self.readings[-1].response

    async def does(self, action: Action, words: str = "") -> str:
        """Do it with the newest message."""
        newest = self.simulator.messages(limit=1)[0]
        return await self.simulator.act(Deed(newest.id, action, AT_MS, words), self.tell)

    def about(self, body: str) -> Message:
        """Return a text that says *body*."""
        return replace(self.vendor.message(), content=CHANNEL.shape({"body": body}))

    def body(self) -> bytes:
        """Return what the newest message was sent by."""
        return self.simulator.messages(limit=1)[0].raw.partition(b"\r\n\r\n")[2]
