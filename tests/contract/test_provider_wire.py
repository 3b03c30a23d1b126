"""What providers say when the wire is cut, at every stage of what they and a vendor exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, cast

import pytest

from tests.contract.providers import REGISTRY, Vendor
from tests.support.cutting import Cut, How, Side, Wire, wire_to
from tocsin.channels.registry import loaded
from tocsin.config import Outbound
from tocsin.ports.outcomes import Accepted, ProviderOutcome, TryLater
from tocsin.ports.provider import ProviderSpec
from tocsin.ports.simulator import Simulator

IMPATIENT = Outbound(timeout_ms=150, connect_timeout_ms=150)
DEADLINE_S = 0.4
"""What the pipeline would wait for; a call that is cut off then is unknown."""


class Line:
    """A vendor behind a wire; each call is made by a provider that has no connection yet."""

    def __init__(
        self, spec: ProviderSpec, simulator: Simulator, played: Mapping[str, object], wire: Wire
    ) -> None:
        self.simulator = simulator
        self.wire = wire
        self._spec = spec
        self._played = {
            name: _moved(value, simulator.port, wire.port) for name, value in played.items()
        }

    async def send(self, n: int, outbound: Outbound | None = None) -> ProviderOutcome | None:
        """Send the *n*-th message; None where it was not known in time what became of it."""
        vendor = Vendor(self._spec, self.simulator, self._played, outbound)
        try:
            async with asyncio.timeout(DEADLINE_S if outbound is not None else None):
                return await vendor.send(n)
        except TimeoutError:
            return None
        finally:
            await vendor.close()

    def has_taken(self, n: int) -> bool:
        reference = f"dlv_{n:040x}"
        return any(each.reference == reference for each in self.simulator.taken)


def _moved(value: object, port: int, to: int) -> object:
    if isinstance(value, str):
        return value.replace(f"127.0.0.1:{port}", f"127.0.0.1:{to}")
    return to if value == port and not isinstance(value, bool) else value


@pytest.fixture(params=list(REGISTRY.specs))
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    spec = REGISTRY.specs[cast(str, request.param)]
    simulator: Simulator = loaded(spec.simulator)()
    try:
        played: Mapping[str, Any] = await simulator.start()
        async with wire_to(simulator.port) as wire:
            yield Line(spec, simulator, played, wire)
    finally:
        await simulator.close()


def places(carried: Mapping[Side, int], how: How, count: int) -> Iterator[Cut]:
    """Both ends of what goes each way, and what lies between."""
    for side in ("up", "down"):
        total = carried[side]
        steps = {round(total * n / count) for n in range(count + 1)} | {1, max(0, total - 1)}
        yield from (Cut(side, after, how) for after in sorted(steps))


@pytest.mark.parametrize(("how", "count"), [(How.RESET, 8), (How.HANG, 2)])
async def test_what_was_taken_is_never_said_not_to_be(line: Line, how: How, count: int) -> None:
    assert isinstance(await line.send(0), Accepted)
    whole = dict(line.wire.carried)
    assert min(whole.values()) > 0
    wrong = []
    for n, cut in enumerate(places(whole, how, count), start=1):
        await line.wire.mend()
        line.wire.cut(cut)
        outcome = await line.send(n, IMPATIENT)
        await line.wire.mend()
        if not _is_honest(outcome, taken=line.has_taken(n)):
            wrong.append((str(cut), outcome))
    assert not wrong
    assert isinstance(await line.send(1_000), Accepted)


def _is_honest(outcome: ProviderOutcome | None, *, taken: bool) -> bool:
    if isinstance(outcome, Accepted):
        return taken
    if outcome is None:
        return True
    return isinstance(outcome, TryLater) and not (outcome.known and taken)
