"""A chat platform that is played, and the provider that is led to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from msgspec.structs import replace

from tocsin.channels.chat import CHANNEL
from tocsin.channels.chat.playing.simulating import ChatSimulating
from tocsin.channels.registry import Registry, folders, loaded
from tocsin.config import Outbound, RawTable
from tocsin.ports.message import Button, Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome
from tocsin.ports.provider import Provider, ProviderTools
from tocsin.ports.receipts import ReceiptState
from tocsin.wiring.channels import build_provider
from tocsin.wiring.clients import open_clients

AT_MS = 1_900_000_000_000
REFERENCE = "dlv_" + "3" * 40
_FIELDS = ("title", "body", "url", "image")
NASTY = "<!channel> @everyone <@U1> *b* _i_ ~s~ `c` [x](https://evil.test) &amp; :boom: \\"


@dataclass(frozen=True, slots=True)
class Chat:
    """One platform."""

    provider: Provider
    simulator: ChatSimulating
    settings: Mapping[str, object]

    def message(self, address: str | None = None, **more: object) -> Message:
        """Return a message with everything in it."""
        fields = {"title": "Disk full", "body": NASTY, "url": "https://shop.test/1"}
        fields |= {name: str(more.pop(name)) for name in _FIELDS if name in more}
        content = CHANNEL.shape(fields)
        buttons = (Button("In the product", "/inbox"), Button("Open", "https://shop.test/open"))
        content = replace(content, buttons=buttons)
        message = Message(REFERENCE, address or self.simulator.address(1), content)
        return replace(message, **more)

    async def send(self, message: Message) -> ProviderOutcome:
        """Send one."""
        (outcome,) = await self.provider.send([message])
        return outcome

    async def id_of(self, message: Message) -> str:
        """Send one that is taken; return the platform's id."""
        outcome = await self.send(message)
        assert isinstance(outcome, Accepted), outcome
        assert outcome.provider_id is not None
        return outcome.provider_id

    async def press(self, reference: str = REFERENCE) -> None:
        """Let somebody press the button, and do what is done then."""
        callback = self.simulator.callback([reference], ReceiptState.ACKNOWLEDGED, AT_MS)
        reading = await self.provider.read_callback(callback)
        (receipt,) = reading.receipts
        assert (receipt.reference, receipt.state) == (reference, ReceiptState.ACKNOWLEDGED)
        assert reading.response.status == 200
        if reading.afterwards is not None:
            await reading.afterwards()


@asynccontextmanager
async def playing(name: str, **more: object) -> AsyncIterator[Chat]:
    """Play a platform, with *more* settings."""
    spec = Registry(folders()).spec(name)
    async with AsyncExitStack() as stack:
        simulator: ChatSimulating = loaded(spec.simulator)()
        settings = await simulator.start()
        stack.push_async_callback(simulator.close)
        transport = open_clients(Outbound(), [settings]).ordinary
        stack.push_async_callback(transport.close)
        values = {key: each for key, each in {**settings, **more}.items() if each is not None}
        table = RawTable(name, {}, {}).with_values(values, "test")
        tools = ProviderTools(name, transport, lambda: AT_MS, lambda: f"https://t.example/{name}")
        provider = build_provider(spec, table, tools).provider
        stack.push_async_callback(provider.close)
        yield Chat(provider, simulator, settings)
