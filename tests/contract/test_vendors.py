"""What the vendors of a sandbox guarantee, played in this process or asked in another's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
import uvicorn

from tests.contract.providers import Vendor
from tests.support import toy
from tests.support.receiver import Receiver, answer, receiver
from tocsin.adapters.sandbox_remote import RemoteVendors
from tocsin.channels import chat
from tocsin.channels.playing import PlayedVendors
from tocsin.channels.registry import Registry
from tocsin.config import Config
from tocsin.domain.ids import event_key, notification_key
from tocsin.errors import Conflict, NotFound, RequestRefused, Unavailable
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted
from tocsin.ports.simulator import Action, Faults, Simulator, Stage
from tocsin.ports.vendors import Vendors, Wanted
from tocsin.roles.network import PlainServer
from tocsin.wiring.vendors import make_simulators
from tocsin.wiring.vendors_alone import open_alone

REGISTRY = Registry([chat, toy])
HOUR_MS = 3_600_000


class Site:
    """Vendors, and a provider that sends to one of them."""

    def __init__(
        self, vendors: Vendors, simulator: Simulator, settings: Mapping[str, object]
    ) -> None:
        self.vendors = vendors
        self._vendor = Vendor(toy.SPEC, simulator, settings)

    async def send(self, n: int, recipient: int) -> Message:
        """Send the *n*-th message, about a recipient's number."""
        run = notification_key(event_key(0, bytes([n]) * 10), 0, recipient)
        plain = self._vendor.message(n)
        message = Message(f"dlv_{run.hex()}00000000", plain.address, plain.content)
        (outcome,) = await self._vendor.provider.send([message])
        assert isinstance(outcome, Accepted)
        return message

    async def close(self) -> None:
        await self._vendor.close()


def never() -> float:
    return 1.0


class Here:
    """Played in this process, by a time that is told."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "pager.jsonl"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Site]:
        simulators = make_simulators(REGISTRY)
        vendors = PlayedVendors(simulators, lambda: HOUR_MS, never)
        settings = await vendors.start({"pager": Stage(log=self._log)})
        site = Site(vendors, simulators["pager"], settings["pager"])
        yield site
        await site.close()
        await simulators["pager"].close()


class Elsewhere:
    """Asked over HTTP, as in the other process."""

    def __init__(self, folder: Path) -> None:
        self._config = Config(data=str(folder))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Site]:
        async with open_alone(self._config, REGISTRY) as alone, asyncio.TaskGroup() as tasks:
            server = PlainServer(uvicorn.Config(alone.app, lifespan="off", log_config=None))
            serving = tasks.create_task(server.serve([alone.listening]))
            await server.up.wait()
            control = alone.places.control
            assert control is not None
            settings = alone.places.providers["pager"].settings
            # It only names addresses here, and those are the same for each that plays the pager.
            simulator = make_simulators(REGISTRY)["pager"]
            site = Site(RemoteVendors(control.url, control.key), simulator, settings)
            yield site
            await site.close()
            server.should_exit = True
            await serving


class Place:
    """Where vendors are played; opened again, another process plays on what the first left."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._place = Here(folder) if kind == "here" else Elsewhere(folder)

    def open(self) -> AbstractAsyncContextManager[Site]:
        return self._place.open()


@pytest.fixture(params=["here", "elsewhere"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(cast(str, request.param), tmp_path)


@pytest.fixture
async def site(place: Place) -> AsyncIterator[Site]:
    async with place.open() as found:
        yield found


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    """What takes receipts."""
    async with receiver() as found:
        yield found


async def references(vendors: Vendors, wanted: Wanted) -> list[str]:
    return [each.reference for each in await vendors.messages(wanted)]


async def test_what_arrived_is_found_newest_first_by_each_filter(site: Site) -> None:
    await site.vendors.tell_time(0)
    first = await site.send(1, recipient=7)
    await site.vendors.tell_time(2 * HOUR_MS)
    second = await site.send(2, recipient=8)
    both = await site.vendors.messages(Wanted())
    assert [each.reference for each in both] == [second.reference, first.reference]
    assert both[0].received_ms - both[1].received_ms >= HOUR_MS
    newest = both[0]
    assert (newest.provider, newest.channel, newest.to) == ("pager", "chat", second.address)
    assert newest.taken
    assert newest.raw
    assert newest.content
    for wanted, expected in (
        (Wanted(to=first.address), [first]),
        (Wanted(to=first.reference), [first]),
        (Wanted(recipient=7), [first]),
        (Wanted(recipient=9), []),
        (Wanted(since_ms=newest.received_ms), [second]),
        (Wanted(since_ms=newest.received_ms + 1), []),
        (Wanted(channel="chat", provider="pager"), [second, first]),
        (Wanted(channel="email"), []),
        (Wanted(provider="other"), []),
        (Wanted(limit=1), [second]),
    ):
        found = await references(site.vendors, wanted)
        assert found == [each.reference for each in expected], wanted


async def test_one_message_is_got_by_its_id(site: Site) -> None:
    await site.send(1, recipient=7)
    (found,) = await site.vendors.messages(Wanted())
    assert await site.vendors.message(found.id) == found
    for id in ("pager-99", "other-1", "nonsense"):
        with pytest.raises(NotFound):
            await site.vendors.message(id)


async def test_each_vendor_says_what_can_be_turned_and_done(site: Site) -> None:
    await site.vendors.set_faults("pager", Faults(latency_ms=5))
    (pager,) = await site.vendors.played()
    simulator = make_simulators(REGISTRY)["pager"]
    assert (pager.provider, pager.channel) == ("pager", "chat")
    assert pager.codes == simulator.codes
    assert set(pager.actions) == {*simulator.actions, *simulator.speaks}
    assert pager.silence == simulator.silence
    assert pager.faults == Faults(latency_ms=5)


async def test_what_was_taken_outlives_the_process_and_faults_do_not(place: Place) -> None:
    async with place.open() as site:
        sent = await site.send(1, recipient=7)
        await site.vendors.set_faults("pager", Faults(latency_ms=1))
        before = await site.vendors.messages(Wanted())
    async with place.open() as site:
        assert await site.vendors.messages(Wanted()) == before
        assert [each.reference for each in before] == [sent.reference]
        assert await site.vendors.faults("pager") == Faults()


async def test_an_action_is_reported_when_it_returns(site: Site, server: Receiver) -> None:
    sent = await site.send(1, recipient=7)
    await site.vendors.report_to(server.url.removesuffix("/hook"))
    (message,) = await site.vendors.messages(Wanted())
    assert await site.vendors.act(message.id, Action.OPEN) == ""
    (seen,) = server.seen
    assert seen.line.startswith("POST /v1/callbacks/pager ")
    assert sent.reference.encode() in seen.body


async def test_what_a_person_says_is_heard_and_answered(site: Site) -> None:
    await site.send(1, recipient=7)
    (message,) = await site.vendors.messages(Wanted())
    assert await site.vendors.act(message.id, Action.REPLY, "ünï") == "you said ünï"


async def test_an_action_that_cannot_be_says_why(site: Site, server: Receiver) -> None:
    await site.send(1, recipient=7)
    (message,) = await site.vendors.messages(Wanted())
    with pytest.raises(Unavailable):
        await site.vendors.act(message.id, Action.OPEN)
    await site.vendors.report_to(server.url.removesuffix("/hook"))
    with pytest.raises(Conflict) as refused:
        await site.vendors.act(message.id, Action.DECLINE)
    assert refused.value.code == "action_not_possible"
    for id in ("pager-99", "other-1"):
        with pytest.raises(NotFound):
            await site.vendors.act(id, Action.OPEN)
    assert not server.seen
    server.say([answer(401)])
    with pytest.raises(Conflict):
        await site.vendors.act(message.id, Action.OPEN)


async def test_faults_are_turned_and_told(site: Site) -> None:
    wanted = Faults(errors={"503": 0.5}, dead=("nobody",), duplicate_receipts=0.25)
    assert await site.vendors.faults("pager") == Faults()
    assert await site.vendors.set_faults("pager", wanted) == wanted
    assert await site.vendors.faults("pager") == wanted
    with pytest.raises(RequestRefused):
        await site.vendors.set_faults("pager", Faults(errors={"999": 0.5}))
    for ask in (site.vendors.faults("other"), site.vendors.set_faults("other", Faults())):
        with pytest.raises(NotFound):
            await ask
    assert await site.vendors.faults("pager") == wanted


async def test_when_the_other_process_is_away_everything_says_so(tmp_path: Path) -> None:
    async with Elsewhere(tmp_path).open() as site:
        vendors = site.vendors
    for ask in (
        vendors.messages(Wanted()),
        vendors.message("pager-1"),
        vendors.played(),
        vendors.act("pager-1", Action.OPEN),
        vendors.faults("pager"),
        vendors.set_faults("pager", Faults()),
        vendors.report_to("http://127.0.0.1:1"),
        vendors.tell_time(0),
    ):
        with pytest.raises(Unavailable):
            await ask
