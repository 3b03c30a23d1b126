"""What every simulator keeps: those of the registry, and the toy's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from tests.contract.providers import AT_MS, REGISTRY, Vendor
from tocsin.channels.registry import loaded
from tocsin.errors import NotFound, RequestRefused
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused, TryLater
from tocsin.ports.provider import ProviderSpec
from tocsin.ports.simulator import Action, Dial, Faults, Simulator, Stage

KINDS: dict[Dial, type] = {
    Dial.REFUSE: Refused,
    Dial.DEAD_ADDRESS: Refused,
    Dial.THROTTLE: TryLater,
    Dial.FAIL: TryLater,
}


class Chance:
    """Draws what it was told, 1.0 (nothing happens) without."""

    def __init__(self) -> None:
        self.next: list[float] = []

    def fraction(self) -> float:
        return self.next.pop(0) if self.next else 1.0


class Played:
    """A simulator with its log on disk, and the provider that is led to it."""

    def __init__(self, spec: ProviderSpec, folder: Path) -> None:
        self.spec = spec
        self.chance = Chance()
        self.log = folder / "messages.jsonl"
        self.now_ms = AT_MS
        self.simulator: Simulator = loaded(spec.simulator)()
        self._vendor: Vendor | None = None

    async def start(self, port: int = 0) -> None:
        stage = Stage(port, self.log, now_ms=lambda: self.now_ms, fraction=self.chance.fraction)
        settings = await self.simulator.start(stage)
        self._vendor = Vendor(self.spec, self.simulator, settings)

    async def begin_anew(self) -> None:
        """Start another simulator on what this one left, as a new process would."""
        port = self.simulator.port
        await self.close()
        self.simulator = loaded(self.spec.simulator)()
        await self.start(port)

    @property
    def vendor(self) -> Vendor:
        assert self._vendor is not None
        return self._vendor

    def message(self, n: int = 1) -> Message:
        return self.vendor.message(n)

    async def send(self, n: int = 1) -> ProviderOutcome:
        (outcome,) = await self.vendor.provider.send([self.message(n)])
        return outcome

    async def close(self) -> None:
        if self._vendor is not None:
            await self._vendor.close()
        await self.simulator.close()


@pytest.fixture(params=list(REGISTRY.specs))
async def played(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Played]:
    one = Played(REGISTRY.specs[cast(str, request.param)], tmp_path)
    await one.start()
    yield one
    await one.close()


async def test_what_arrived_is_listed_newest_first(played: Played) -> None:
    for n in (1, 2):
        await played.send(n)
    newest, oldest = played.simulator.messages()
    assert (newest.reference, oldest.reference) == (
        played.message(2).reference,
        played.message(1).reference,
    )
    assert newest.to == played.message(2).address
    assert (newest.provider, newest.channel) == (played.spec.name, played.spec.channel)
    assert (newest.received_ms, newest.taken) == (AT_MS, True)
    assert any("body-canary" in text for text in newest.content.values())
    assert newest.raw
    assert newest.answer
    assert played.simulator.message(newest.id) == newest
    assert list(played.simulator.messages(to=played.message(1).address)) == [oldest]
    assert list(played.simulator.messages(to=played.message(1).reference)) == [oldest]
    assert list(played.simulator.messages(limit=1)) == [newest]
    for id in ("other-1", f"{played.spec.name}-99", "nothing"):
        with pytest.raises(NotFound):
            played.simulator.message(id)


async def test_what_it_says_of_itself_holds_no_content(played: Played) -> None:
    await played.send()
    assert "canary" not in repr(played.simulator.messages())
    assert "canary" not in repr(Faults(dead=("canary",)))


async def test_a_refused_message_is_listed_with_its_answer(played: Played) -> None:
    played.simulator.dial([Dial.REFUSE])
    await played.send()
    (one,) = played.simulator.messages()
    assert one.answer
    assert not one.taken
    assert not played.simulator.taken


async def test_what_arrived_is_there_after_a_restart_and_so_is_the_port(played: Played) -> None:
    await played.send(1)
    port = played.simulator.port
    await played.begin_anew()
    assert played.simulator.port == port
    await played.send(2)
    found = [each.reference for each in played.simulator.messages()]
    assert found == [played.message(2).reference, played.message(1).reference]


async def test_a_vendor_that_drops_repeats_does_so_after_a_restart(played: Played) -> None:
    if not played.vendor.provider.flags.idempotent:
        pytest.skip("it takes repeats")
    await played.send()
    await played.begin_anew()
    assert isinstance(await played.send(), Accepted)
    assert len(played.simulator.taken) == 1


async def test_every_code_can_be_drawn(played: Played) -> None:
    for code, dial in played.simulator.codes.items():
        await played.simulator.set_faults(Faults(errors={code: 0.5}))
        played.chance.next = [0.49]
        outcome = await played.send()
        assert isinstance(outcome, KINDS[dial]), (code, outcome)
        played.chance.next = [0.51]
        assert isinstance(await played.send(2), Accepted)
        # No vendor's quota is used up by what was sent an hour ago.
        played.now_ms += 3_600_000


async def test_a_code_that_it_has_not_is_refused(played: Played) -> None:
    with pytest.raises(RequestRefused):
        await played.simulator.set_faults(Faults(errors={"no-such-code": 0.1}))
    assert played.simulator.faults == Faults()


async def test_errors_of_more_than_certainty_are_refused(played: Played) -> None:
    codes = list(played.simulator.codes)
    assert len(codes) > 1
    with pytest.raises(RequestRefused):
        await played.simulator.set_faults(Faults(errors={codes[0]: 0.9, codes[1]: 0.2}))


async def test_a_lost_reply_is_of_a_message_that_was_taken(played: Played) -> None:
    await played.simulator.set_faults(Faults(lose_replies=0.5))
    played.chance.next = [1.0, 0.4]
    outcome = await played.send()
    assert isinstance(outcome, TryLater)
    assert not outcome.known
    assert len(played.simulator.taken) == 1


async def test_a_dead_address_is_known_to_be_dead(played: Played) -> None:
    await played.simulator.set_faults(Faults(dead=(played.message(1).address,)))
    dead, alive = await played.send(1), await played.send(2)
    assert isinstance(dead, Refused)
    assert dead.reason is ProviderReason.DEAD_ADDRESS
    assert isinstance(alive, Accepted)


async def test_what_is_down_cannot_be_reached_until_it_is_up(played: Played) -> None:
    await played.simulator.set_faults(Faults(down=True))
    outcome = await played.send()
    assert isinstance(outcome, TryLater)
    assert (outcome.reason, outcome.known) == (ProviderReason.UNREACHABLE, True)
    await played.simulator.set_faults(Faults())
    assert isinstance(await played.send(), Accepted)


async def test_who_reports_nothing_says_why(played: Played) -> None:
    assert bool(played.simulator.actions) != bool(played.simulator.silence)


async def test_what_a_person_does_comes_back_as_the_vendors_receipt(played: Played) -> None:
    await played.send()
    reference = played.message().reference
    for action, state in played.simulator.actions.items():
        assert isinstance(action, Action)
        callback = played.simulator.callback([reference], state, AT_MS)
        (receipt,) = (await played.vendor.provider.read_callback(callback)).receipts
        assert (receipt.reference, receipt.state) == (reference, state)
