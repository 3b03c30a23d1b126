"""Several providers on one channel: who carries what, and who is given less for a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.delivering.operating import client, driving
from tests.delivering.reporting import states, told
from tests.delivering.site import BEGIN_MS, Site, Vendor, delivery_of, process
from tests.support.toy.spare import BeeperSimulator
from tocsin.app.delivering.health import ACTION
from tocsin.domain.attempts import history
from tocsin.domain.ids import show_delivery, show_event
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Attempt, Reported, encode
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.simulator import Dial, Faults

MINUTE_MS = 60_000
ONE_TO_THREE = [{"weights": {"pager": 1, "beeper": 3}}]
Sent = tuple[Recipient, bytes]


@pytest.fixture
async def spare() -> AsyncIterator[Vendor]:
    async with Vendor(BeeperSimulator()).serving() as spare:
        yield spare


@asynccontextmanager
async def started(
    folder: Path, vendor: Vendor, spare: Vendor, routes: Sequence[Any] = (), **more: Any
) -> AsyncIterator[Site]:
    async with process(folder, "joint", vendor, spare=spare, routes=routes, **more) as site:
        await site.publish()
        site.start()
        yield site


async def crowd(site: Site, people: int, first: int = 0, **more: Any) -> list[Sent]:
    """Send a message to each of so many new persons, and wait until all are sent."""
    some = [await site.person(f"p{n}", f"pager-{n}", **more) for n in range(first, first + people)]
    sent = [(one, await site.send(one.id, 0)) for one in some]
    for one, event in sent:
        await site.until_settled(event, one, "sent")
    return sent


async def attempts(site: Site, sent: Sequence[Sent]) -> list[Attempt]:
    return [
        record
        for one, event in sent
        for record in await site.history(event, one)
        if isinstance(record, Attempt)
    ]


async def test_weights_say_how_many_each_is_given(
    tmp_path: Path, vendor: Vendor, spare: Vendor
) -> None:
    async with started(tmp_path, vendor, spare, ONE_TO_THREE) as site:
        made = await attempts(site, await crowd(site, 80))
        counted = Counter(each.provider for each in made)
        assert 8 <= counted["pager"] <= 34
        assert counted["pager"] + counted["beeper"] == 80
        for each in made:
            assert each.route == "chat.routes[0]"
            assert {name: percent for name, _, percent in each.considered} == {
                "pager": 25,
                "beeper": 75,
            }
            assert each.considered[0][:2] == (each.provider, "chosen")


async def test_with_weights_too_another_takes_over_only_what_is_known_not_to_be_taken(
    tmp_path: Path, vendor: Vendor, spare: Vendor
) -> None:
    async with started(tmp_path, vendor, spare, ONE_TO_THREE) as site:
        spare.simulator.dial([Dial.THROTTLE])
        one = await site.person("ana", "ana-pager")
        made: list[Attempt] = []
        number = 0
        while not any(each.provider == "beeper" for each in made):
            event = await site.send("ana", number)
            number += 1
            await site.until_settled(event, one, "sent")
            made = await attempts(site, [(one, event)])
        assert [each.provider for each in made] == ["beeper", "pager"]
        assert [each[:2] for each in made[1].considered] == [
            ("beeper", "not_taken"),
            ("pager", "chosen"),
        ]


async def test_a_route_takes_what_its_tenant_sends(
    tmp_path: Path, vendor: Vendor, spare: Vendor
) -> None:
    routes = [{"tenants": ["acme"], "providers": ["beeper"]}]
    async with started(tmp_path, vendor, spare, routes) as site:
        one = await site.person("ana", "ana-pager")
        events = [await site.send("ana", 1, tenant="acme"), await site.send("ana", 2)]
        for event in events:
            await site.until_settled(event, one, "sent")
        made = await attempts(site, [(one, event) for event in events])
        assert [each.provider for each in made] == ["beeper", "pager"]


async def test_an_address_that_names_its_provider_knows_no_route(
    tmp_path: Path, vendor: Vendor, spare: Vendor
) -> None:
    async with started(tmp_path, vendor, spare, [{"providers": ["beeper"]}]) as site:
        made = await attempts(site, await crowd(site, 3, provider="pager"))
        assert {each.provider for each in made} == {"pager"}
        assert {each.considered for each in made} == {()}


async def test_who_fails_is_given_less_and_all_again_when_it_is_well(
    tmp_path: Path, vendor: Vendor, spare: Vendor
) -> None:
    async with started(tmp_path, vendor, spare, breaker_failures=100_000) as site:
        shares = site.services.delivery.shares
        await vendor.simulator.set_faults(Faults(down=True))
        first = 0
        while shares.shares.get("pager", 1.0) > 0.3:
            await crowd(site, 10, first)
            first += 10
            await site.unhurried_until(_passed(site, MINUTE_MS))
        entries = [
            each async for each in site.services.stores.trail.entries(0) if each.action == ACTION
        ]
        assert [each.target for each in entries] == ["provider/pager"] * len(entries)
        assert [each.detail.split()[0] for each in entries][:3] == ["0.75", "0.5625", "0.4219"]
        made = await attempts(site, await crowd(site, 60, first))
        begun_elsewhere = [each for each in made if each.number == 1 and each.provider == "beeper"]
        assert len(begun_elsewhere) > 20
        told = begun_elsewhere[0].considered
        assert [(name, why) for name, why, _ in told] == [("beeper", "chosen"), ("pager", "")]
        await vendor.simulator.set_faults(Faults())

        async def well() -> bool:
            return not shares.shares

        await site.unhurried_until(well)
        made = await attempts(site, await crowd(site, 5, first + 60))
        assert {each.provider for each in made} == {"pager"}


async def test_who_is_slow_is_given_less(tmp_path: Path, vendor: Vendor, spare: Vendor) -> None:
    async with started(tmp_path, vendor, spare, slow_after="1ms") as site:
        await vendor.simulator.set_faults(Faults(latency_ms=5))
        await crowd(site, 100)
        shares = site.services.delivery.shares

        async def less() -> bool:
            return "pager" in shares.shares

        await site.unhurried_until(less)
        (pager,) = (each for each in shares.states() if each.name == "pager")
        assert pager.share == 0.75
        assert pager.tally.slow >= 20
        assert pager.tally.failed == 0
        async with client(driving(site), "operator") as http:
            said = (await http.get("/v1/providers/pager/doctor")).json()
        (found,) = (each for each in said["findings"] if "it is given 75 %" in each["says"])
        assert found["weight"] == "problem"
        assert f"{pager.tally.slow} were slow" in found["says"]


async def test_a_share_outlives_the_process(tmp_path: Path, vendor: Vendor, spare: Vendor) -> None:
    async with started(tmp_path, vendor, spare, slow_after="1ms") as site:
        await vendor.simulator.set_faults(Faults(latency_ms=5))
        await crowd(site, 100)
        shares = site.services.delivery.shares

        async def less() -> bool:
            return "pager" in shares.shares and not shares.busy()

        await site.unhurried_until(less)
        now_ms = site.clock.now_ms()
    async with started(tmp_path, vendor, spare, now_ms=now_ms) as site:
        shares = site.services.delivery.shares

        async def resumed() -> bool:
            return dict(shares.shares) == {"pager": 0.75}

        await site.until(resumed)


async def test_explain_and_the_list_of_providers_say_who_was_chosen_and_why(
    tmp_path: Path, vendor: Vendor, spare: Vendor
) -> None:
    async with started(tmp_path, vendor, spare, breaker_failures=1) as site:
        await vendor.simulator.set_faults(Faults(down=True))
        ((_, event), (_, second)) = await crowd(site, 1) + await crowd(site, 1, 1)
        behind = driving(site)
        async with client(behind, "viewer") as http:

            async def told(event: bytes, who: str) -> Any:
                path = f"/v1/explain?event={show_event(event)}&recipient={who}"
                return (await http.get(path)).json()

            first, then = await told(event, "p0"), await told(second, "p1")
            assert "through beeper (0 % of chat; pager had not taken it)" in first["sentence"]
            assert "pager failed and was left alone" in then["sentence"]
            (attempt,) = [
                each
                for each in then["runs"][0]["deliveries"][0]["attempts"]
                if each["kind"] == "attempt"
            ]
            assert attempt["considered"] == [
                {"provider": "pager", "why": "open", "percent": 100},
                {"provider": "beeper", "why": "chosen", "percent": 0},
            ]
        async with client(behind, "operator") as http:
            found = (await http.get("/v1/providers")).json()["items"]
            shown = {each["name"]: each["health"] for each in found}
            assert shown["pager"] == {"share": 1.0, "calls": 1, "slow": 0, "failed": 1}
            assert shown["webhook"] is None if "webhook" in shown else True


def _passed(site: Site, ms: int) -> Any:
    end_ms = site.clock.now_ms() + ms

    async def passed() -> bool:
        return site.clock.now_ms() >= end_ms

    return passed


async def test_who_was_not_given_a_delivery_knows_nothing_of_it(
    tmp_path: Path, vendor: Vendor, spare: Vendor
) -> None:
    """A vendor signs what it says, and that says nothing about what others have carried."""
    async with started(tmp_path, vendor, spare) as site:
        ((ana, event),) = await crowd(site, 1)
        reference = show_delivery(delivery_of(event, ana))
        wall_ms = site.services.wall_ms()
        callbacks = site.services.delivery.callbacks
        for state in (ReceiptState.COMPLAINED, ReceiptState.DELIVERED, ReceiptState.FAILED):
            said = spare.simulator.callback([reference], state, wall_ms)
            await callbacks.receive("beeper", said)
        await told(site)
        assert await states(site, event, ana) == ["sent"]
        assert not await site.services.stores.suppressions.page(None, 10)
        said = vendor.simulator.callback([reference], ReceiptState.DELIVERED, wall_ms)
        await callbacks.receive("pager", said)
        await site.until_settled(event, ana, "delivered")


async def test_who_was_given_it_before_somebody_else_may_still_speak(
    tmp_path: Path, vendor: Vendor, spare: Vendor
) -> None:
    async with started(tmp_path, vendor, spare) as site:
        vendor.simulator.dial([Dial.THROTTLE])
        ((ana, event),) = await crowd(site, 1)
        assert [each.provider for each in await attempts(site, [(ana, event)])] == [
            "pager",
            "beeper",
        ]
        reference = show_delivery(delivery_of(event, ana))
        said = vendor.simulator.callback(
            [reference], ReceiptState.DELIVERED, site.services.wall_ms()
        )
        await site.services.delivery.callbacks.receive("pager", said)
        await site.until_settled(event, ana, "delivered")


async def test_whose_word_was_kept_aside_proves_nothing_about_a_call_to_somebody_else(
    tmp_path: Path, vendor: Vendor, spare: Vendor
) -> None:
    async with process(tmp_path, "joint", vendor, spare=spare) as site:
        await site.publish()
        vendor.simulator.dial([Dial.TAKE_AND_DROP])
        ana = await site.person("ana", "ana-pager")
        event = await site.send("ana", 0)
        guessed = Reported(delivery_of(event, ana), "beeper", "delivered", "x", BEGIN_MS)
        await site.services.stores.orphans.keep(
            {show_delivery(guessed.delivery): [encode(guessed)]}, BEGIN_MS
        )
        site.start()
        await site.until_settled(event, ana, "deferred", "sent")
        assert await states(site, event, ana) == ["deferred"]


def test_everybody_who_was_called_is_known_once_however_often_they_took_turns() -> None:
    turns = ["pager", "beeper"] * 3
    calls = [
        Attempt(b"d", number, 1, name, "r", BEGIN_MS, "chat", "bulk")
        for number, name in enumerate(turns, start=1)
    ]
    for count in range(1, len(calls) + 1):
        folded = history(calls[:count])
        assert all(folded.was_given_to(name) for name in turns[:count])
        assert folded.was_given_to("beeper") is (count > 1)
        assert len(folded.earlier) <= 2
