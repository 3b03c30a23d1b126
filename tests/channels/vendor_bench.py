"""A vendor's provider, led to its simulator, for the tests of one folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from tocsin.channels.registry import Registry, folders, loaded
from tocsin.config import Outbound, RawTable
from tocsin.ports.message import Message
from tocsin.ports.provider import Provider, ProviderTools
from tocsin.ports.receipts import Callback, Response
from tocsin.ports.simulator import Action, Deed, Stage
from tocsin.wiring.channels import build_provider
from tocsin.wiring.clients import open_clients

NOW_MS = 1_900_000_000_000


@dataclass
class Bench:
    """The two ends; ``simulator`` is of the folder's own class."""

    provider: Provider
    simulator: Any
    channel: Any
    settings: Mapping[str, object]

    def message(self, n: int = 1, **said: str) -> Message:
        """Return a message that says *said*, by default a title and a body."""
        content = self.channel.shape(said or {"title": "Hello", "body": "It is on its way."})
        return Message(f"dlv_{n:040x}", self.simulator.address(n), content)

    def alike(self, count: int, **said: str) -> list[Message]:
        """Return messages of one content, each with its own link to unsubscribe."""
        first = self.message(1, **said)
        return [
            structs.replace(
                self.message(n),
                content=first.content,
                category="news",
                unsubscribe=f"https://t.example/u/{n}",
            )
            for n in range(1, count + 1)
        ]


@asynccontextmanager
async def bench(
    name: str,
    *,
    fraction: Callable[[], float] = lambda: 1.0,
    now_ms: Callable[[], int] = lambda: NOW_MS,
    **settings: object,
) -> AsyncIterator[Bench]:
    """
    Play the vendor *name* and build its provider, with *settings* beside what leads there.

    *fraction* draws, *now_ms* is the vendor's time.
    """
    registry = Registry(folders())
    spec = registry.specs[name]
    called = f"https://tocsin.example/v1/callbacks/{name}"
    async with AsyncExitStack() as stack:
        simulator = loaded(spec.simulator)()
        stage = Stage(now_ms=now_ms, real_ms=lambda: NOW_MS, fraction=fraction)
        led = {**await simulator.start(stage), **settings}
        stack.push_async_callback(simulator.close)
        clients = open_clients(Outbound(), [led])
        stack.push_async_callback(clients.close)
        tools = ProviderTools(name, clients.of(spec), lambda: NOW_MS, lambda: called)
        said = {key: value for key, value in led.items() if value is not None}
        wired = build_provider(spec, RawTable(name, {}, {}).with_values(said, "test"), tools)
        stack.push_async_callback(wired.provider.close)
        yield Bench(wired.provider, simulator, registry.channels[spec.channel], led)


def callback(name: str, body: bytes, headers: Mapping[str, str], at_ms: int = NOW_MS) -> Callback:
    """Return a request that arrives at *at_ms*."""
    return Callback("POST", f"/v1/callbacks/{name}", "", headers, body, at_ms)


async def reported(
    one: Bench, action: Action, words: str = "", *, of: int = 0
) -> list[tuple[str, str, bool]]:
    """Let the vendor report about a letter, by default the newest; state, detail, dead."""
    heard: list[tuple[str, str, bool]] = []

    async def tell(told: Callback) -> Response:
        reading = await one.provider.read_callback(told)
        heard.extend((each.state, each.detail, each.dead_address) for each in reading.receipts)
        return reading.response

    await one.simulator.act(Deed(one.simulator.messages()[of].id, action, NOW_MS, words), tell)
    return heard
