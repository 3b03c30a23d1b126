"""One provider at a time, led to the simulator of its folder: what the suites of both run with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from tests.support import toy
from tocsin.channels.registry import Registry, folders, loaded
from tocsin.config import Outbound, RawTable
from tocsin.ports.message import Message
from tocsin.ports.outcomes import ProviderOutcome
from tocsin.ports.provider import ProviderSpec, ProviderTools
from tocsin.ports.simulator import Simulator, Stage
from tocsin.wiring.channels import build_provider
from tocsin.wiring.clients import open_clients

AT_MS = 1_900_000_000_000
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CANARY = "canary"
REGISTRY = Registry([*folders(), toy])


class Vendor:
    """
    One provider, led to its simulator by the settings that this *played*.

    *outbound* bounds its calls, *values* are further settings of its table.
    """

    def __init__(
        self,
        spec: ProviderSpec,
        simulator: Simulator,
        played: Mapping[str, object],
        outbound: Outbound | None = None,
        **values: object,
    ) -> None:
        table = RawTable(spec.name, {}, {}).with_values({**played, **values}, "test")
        self._clients = open_clients(outbound or Outbound(), [played])
        tools = ProviderTools(
            spec.name, self._clients.of(spec), lambda: AT_MS, lambda: _called(spec)
        )
        self.spec = spec
        self.simulator = simulator
        self.wired = build_provider(spec, table, tools)
        self.provider = self.wired.provider
        self._content = REGISTRY.channels[spec.channel].shape(
            {"title": "Hello", "body": f"body-{CANARY}"}
        )

    async def close(self) -> None:
        """Let go of connections."""
        await self.provider.close()
        await self._clients.close()

    def message(self, n: int = 1, supersedes: str | None = None) -> Message:
        content, address = self._content, self.simulator.address(n)
        return Message(f"dlv_{n:040x}", address, content, trace=TRACE, supersedes=supersedes)

    async def send(self, n: int = 1) -> ProviderOutcome:
        """Send the *n*-th message alone."""
        (outcome,) = await self.provider.send([self.message(n)])
        return outcome


def _called(spec: ProviderSpec) -> str:
    return f"https://tocsin.example/v1/callbacks/{spec.name}"


def of_those(wanted: Callable[[ProviderSpec], bool]) -> list[str]:
    """Return the names of the providers that a test is about."""
    return [name for name, spec in REGISTRY.specs.items() if wanted(spec)]


@asynccontextmanager
async def played(name: str, stage: Stage | None = None) -> AsyncIterator[Vendor]:
    """Yield the provider of that name and what plays its vendor, and let go of both."""
    spec = REGISTRY.specs[name]
    simulator: Simulator = loaded(spec.simulator)()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(simulator.close)
        one = Vendor(spec, simulator, await simulator.start(stage))
        stack.push_async_callback(one.close)
        yield one
