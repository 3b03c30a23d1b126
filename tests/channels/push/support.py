"""A provider of the channel push, led to its simulator, and messages for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tocsin.channels.push import CHANNEL
from tocsin.channels.registry import Registry, folders, loaded
from tocsin.config import Outbound, RawTable
from tocsin.ports.message import About, Message
from tocsin.ports.outcomes import ProviderOutcome
from tocsin.ports.provider import Provider, ProviderTools
from tocsin.ports.simulator import Received, Simulator, Stage
from tocsin.wiring.channels import build_provider
from tocsin.wiring.clients import open_clients

NOW_MS = 1_900_000_000_000
REGISTRY = Registry(folders())
ABOUT = About(
    notification="ntf_" + "1" * 32,
    event="evt_" + "2" * 32,
    event_id="o-42",
    event_type="order.shipped",
    source="shop",
    workflow="order.shipped",
    recipient="ana",
    accepted_ms=NOW_MS,
)


class Played:
    """One vendor, its provider, and a clock that both look at."""

    def __init__(self, name: str, folder: Path) -> None:
        self.spec = REGISTRY.spec(name)
        self.now_ms = NOW_MS
        self.drawn = 1.0
        """What chance draws: nothing goes wrong that may not."""
        self.simulator: Simulator = loaded(self.spec.simulator)()
        self.settings: Mapping[str, object] = {}
        self._log = folder / "messages.jsonl"
        self._opened: list[Any] = []

    async def start(self) -> Provider:
        """Let the vendor play; returns a provider that is led to it."""
        clock = lambda: self.now_ms  # noqa: E731  # one clock for both, that the test moves
        stage = Stage(0, self._log, now_ms=clock, real_ms=clock, fraction=lambda: self.drawn)
        self.settings = await self.simulator.start(stage)
        return self.provider()

    def provider(self, **also: object) -> Provider:
        """Return one more provider with these settings, too."""
        clients = open_clients(Outbound(), [self.settings])
        self._opened.append(clients)
        tools = ProviderTools(self.spec.name, clients.of(self.spec), lambda: self.now_ms)
        values = {**self.settings, **also}
        table = RawTable(self.spec.name, {}, {}).with_values(values, "test")
        return build_provider(self.spec, table, tools).provider

    async def close(self) -> None:
        """Let go of everything."""
        for each in self._opened:
            await each.close()
        await self.simulator.close()

    def message(
        self, n: int = 1, *, fields: Mapping[str, str] | None = None, **also: Any
    ) -> Message:
        """Return a message to the address *n*."""
        content = CHANNEL.shape({"title": "Disk full", "body": "db-3 is at 97 %", **(fields or {})})
        values: dict[str, Any] = {
            "reference": f"dlv_{n:040x}",
            "address": self.simulator.address(n),
            "content": content,
            "about": ABOUT,
            **also,
        }
        return Message(**values)

    def arrived(self) -> Received:
        """Return what arrived last."""
        return self.simulator.messages(limit=1)[0]


async def send(provider: Provider, message: Message) -> ProviderOutcome:
    """Send one."""
    (outcome,) = await provider.send([message])
    return outcome
