"""Providers that fail, ask for less, or have others beside them: who is called, and how often."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.delivering.site import Site, Vendor, delivery_of, process
from tests.support.toy.spare import BeeperSimulator
from tocsin.app.callers import LOCAL
from tocsin.config import Deliver
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Attempt, Settled
from tocsin.domain.topics import OUTCOMES
from tocsin.errors import Unavailable
from tocsin.ports.log import Output
from tocsin.ports.simulator import Dial, Faults
from tocsin.wiring.storage import Storage
from tocsin.wiring.stores import Stores

URGENT = {
    "key": "urgent",
    "lane": "critical",
    "steps": [{"channel": "chat", "title": "Urgent", "body": "{{ data.n }}"}],
}
DOWN = Faults(down=True)
Sent = tuple[Recipient, bytes]


@asynccontextmanager
async def started(folder: Path, layout: str, vendor: Vendor, **more: Any) -> AsyncIterator[Site]:
    async with process(folder, layout, vendor, **more) as site:
        await site.publish()
        await site.publish(URGENT)
        site.start()
        yield site


@pytest.fixture
async def spare() -> AsyncIterator[Vendor]:
    async with Vendor(BeeperSimulator()).serving() as spare:
        yield spare


async def crowd(site: Site, people: int, each: int = 1, **more: Any) -> list[Sent]:
    """Send *each* messages to each of *people* new persons."""
    some = [await site.person(f"p{n}", f"pager-{n}", **more) for n in range(people)]
    return [(one, await site.send(one.id, n)) for n in range(each) for one in some]


async def attempts(site: Site, sent: Sequence[Sent]) -> list[Attempt]:
    return [
        record
        for one, event in sent
        for record in await site.history(event, one)
        if isinstance(record, Attempt)
    ]


async def last(site: Site, sent: Sequence[Sent]) -> list[Settled | None]:
    found = []
    for one, event in sent:
        told = [each for each in await site.history(event, one) if isinstance(each, Settled)]
        found.append(told[-1] if told else None)
    return found


async def all_in(site: Site, sent: Sequence[Sent], *states: str) -> bool:
    return all(each is not None and each.state in states for each in await last(site, sent))


async def until_all(site: Site, sent: Sequence[Sent], *states: str) -> list[Settled]:
    found: list[Settled] = []

    async def all_are() -> bool:
        found[:] = [each for each in await last(site, sent) if each is not None]
        return len(found) == len(sent) and all(each.state in states for each in found)

    await site.until(all_are)
    return found


async def until_waiting(site: Site, provider: str, count: int) -> None:
    """Return when so many messages had to wait for *provider*."""
    counts = site.services.delivery.counts

    async def waiting() -> bool:
        return counts.waited[provider, "transactional"] >= count

    await site.until(waiting)


def texts(vendor: Vendor, address: str) -> list[str]:
    return [each.text for each in vendor.simulator.taken if each.address == address]


async def broken(site: Site, vendor: Vendor) -> list[Sent]:
    """Take the vendor down and let its breaker open: by the messages that are returned."""
    await vendor.simulator.set_faults(DOWN)
    one = await site.person("first", "first-pager")
    sent = [(one, await site.send("first", 0))]
    await until_all(site, sent, "deferred")
    return sent


async def test_while_it_is_open_nobodys_attempts_are_burnt_and_order_holds(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    settings = {"breaker_failures": 1, "breaker_open": "1s", "breaker_open_max": "8s"}
    async with started(tmp_path, layout, vendor, **settings) as site:
        sent = await broken(site, vendor)
        sent += await crowd(site, people=8, each=5)
        await until_waiting(site, "pager", 8)
        await site.live(40_000)
        await vendor.simulator.set_faults(Faults())
        await site.live_until(lambda: all_in(site, sent, "sent"))
        # One that is taken for each; the first, and probes after 1, 2, 4, 8, 8 ... s, were not.
        assert len(await attempts(site, sent)) <= len(sent) + 1 + 8
        for n in range(8):
            assert texts(vendor, f"pager-{n}") == [f"Alarm {each}" for each in range(5)]


class ClaimsAway:
    """Stands before the rows that cancels race for, which cannot be reached while `away`."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0

    def around(self, storage: Storage, stores: Stores) -> tuple[Storage, Stores]:
        claims: Any = _AwayClaims(stores.claims, self)
        return storage, replace(stores, claims=claims)


class _AwayClaims:
    def __init__(self, claims: Any, state: ClaimsAway) -> None:
        self._claims = claims
        self._state = state

    def __getattr__(self, name: str) -> Any:
        return getattr(self._claims, name)

    async def swap_many(self, pairs: Any) -> Any:
        if self._state.away:
            self._state.asked += 1
            raise Unavailable("the store cannot be reached")
        return await self._claims.swap_many(pairs)


async def test_who_was_let_through_before_it_opened_waits_when_the_store_is_back(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    claims = ClaimsAway()
    settings = {"breaker_failures": 1, "breaker_open": "1h"}
    async with started(
        tmp_path, layout, vendor, around=claims.around, on_unknown="give_up", **settings
    ) as site:
        await site.person("ana", "ana-pager")
        ben = await site.person("ben", "ben-pager")
        claims.away = True
        vendor.simulator.dial([Dial.STALL])
        await site.send("ana", 1)
        await site.until_called(1)
        event = await site.send("ben", 1, cancellation_key="k")
        counts = site.services.delivery.counts
        await site.until(lambda: _true(claims.asked))
        await vendor.simulator.set_faults(DOWN)
        await site.until(lambda: _true(counts.opened))
        claims.away = False

        async def decided() -> bool:
            return bool(counts.waited or await attempts(site, [(ben, event)]))

        await site.until(decided)
        assert not await attempts(site, [(ben, event)])


async def _true(value: object) -> bool:
    return bool(value)


async def test_a_probe_that_has_settled_while_it_waited_leaves_its_turn_to_the_next(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    settings = {"breaker_failures": 1, "breaker_open": "30s"}
    async with started(tmp_path, layout, vendor, **settings) as site:
        (failed,) = await broken(site, vendor)
        one, event = failed
        # Its own time comes, its provider's does not.
        await site.live(10_000)
        await until_waiting(site, "pager", 1)
        log, now_ms = site.services.storage.log, site.clock.now_ms()
        key = delivery_of(event, one)
        receipt = Settled(key, "transactional", "chat", "sent", "accepted", now_ms, receipt=True)
        await log.append([Output(OUTCOMES, log.partition_of(OUTCOMES, one.number), [receipt])])
        sent = [(one, await site.send(one.id, 1))]
        await vendor.simulator.set_faults(Faults())
        await site.live_until(lambda: all_in(site, sent, "sent"))


async def test_who_is_known_not_to_have_taken_it_is_passed_over_at_once(
    tmp_path: Path, layout: str, vendor: Vendor, spare: Vendor
) -> None:
    async with started(tmp_path, layout, vendor, spare=spare) as site:
        ana = await site.person("ana", "ana-pager")
        vendor.simulator.dial([Dial.THROTTLE])
        event = await site.send("ana", 1)
        records = await site.until_settled(event, ana, "sent")
        assert [type(each) for each in records] == [Attempt, Settled, Attempt, Settled]
        assert [each.provider for each in records] == ["pager", "pager", "beeper", "beeper"]
        first = records[1]
        assert isinstance(first, Settled)
        assert (first.state, first.reason, first.known) == ("pending", "throttled", True)
        assert texts(spare, "ana-pager") == ["Alarm 1"]
        assert site.services.delivery.counts.failovers == {("pager", "transactional"): 1}


async def test_who_may_have_taken_it_keeps_it(
    tmp_path: Path, layout: str, vendor: Vendor, spare: Vendor
) -> None:
    async with started(tmp_path, layout, vendor, spare=spare) as site:
        ana = await site.person("ana", "ana-pager")
        vendor.simulator.dial([Dial.DROP, Dial.THROTTLE])
        event = await site.send("ana", 1)
        await site.live_until(lambda: all_in(site, [(ana, event)], "sent"))
        made = await attempts(site, [(ana, event)])
        assert [each.provider for each in made] == ["pager"] * 3
        assert not spare.simulator.calls


async def test_an_address_that_names_its_provider_is_not_taken_elsewhere(
    tmp_path: Path, layout: str, vendor: Vendor, spare: Vendor
) -> None:
    async with started(tmp_path, layout, vendor, spare=spare) as site:
        ana = await site.person("ana", "ana-pager", provider="pager")
        vendor.simulator.dial([Dial.THROTTLE])
        event = await site.send("ana", 1)
        await site.until_settled(event, ana, "deferred")
        assert not spare.simulator.calls


async def test_what_only_an_open_provider_can_carry_becomes_rows_and_others_go_on(
    tmp_path: Path, layout: str, vendor: Vendor, spare: Vendor
) -> None:
    settings = {"breaker_failures": 1, "breaker_open": "10s"}
    async with started(tmp_path, layout, vendor, spare=spare, **settings) as site:
        only = await site.person("only", "only-pager", provider="pager")
        await vendor.simulator.set_faults(DOWN)
        sent = [(only, await site.send("only", 0))]
        await until_all(site, sent, "deferred")
        other = await site.person("other", "other-pager", provider="pager")
        bound = [(other, await site.send("other", n)) for n in range(1, 6)]
        told = await until_all(site, bound, "deferred")
        assert {each.attempt for each in told} == {0}
        assert [each.reason for each in told] == ["provider_open", *["behind_another"] * 4]
        free = await crowd(site, people=4)
        await until_all(site, free, "sent")
        assert all(each.provider == "beeper" for each in await last(site, free) if each)
        await vendor.simulator.set_faults(Faults())
        await site.live_until(lambda: all_in(site, [*sent, *bound], "sent"))
        assert texts(vendor, "other-pager") == [f"Alarm {n}" for n in range(1, 6)]
        assert len(await attempts(site, bound)) == len(bound)


async def test_at_the_bound_of_rows_the_lane_waits_in_the_log(
    tmp_path: Path, layout: str, vendor: Vendor, spare: Vendor
) -> None:
    deliver = Deliver(parked_max=2)
    settings = {"breaker_failures": 1, "breaker_open": "10s"}
    async with started(tmp_path, layout, vendor, spare=spare, deliver=deliver, **settings) as site:
        await vendor.simulator.set_faults(DOWN)
        first = await site.person("first", "first-pager", provider="pager")
        sent = [(first, await site.send("first", 0))]
        await until_all(site, sent, "deferred")
        sent += await crowd(site, people=6, provider="pager")
        await until_waiting(site, "pager", 4)
        reasons: list[str] = []

        async def both_shown() -> bool:
            reasons[:] = [each.reason for each in await last(site, sent[1:]) if each is not None]
            return len(reasons) >= 2

        await site.until(both_shown)
        assert reasons == ["provider_open"] * 2
        await vendor.simulator.set_faults(Faults())
        await site.live_until(lambda: all_in(site, sent, "sent"))


async def test_a_provider_gets_no_more_than_its_rate_and_critical_has_a_reserve(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    settings = {"rate_per_second": 10.0, "burst": 10, "critical_reserve": 0.4}
    async with started(tmp_path, layout, vendor, **settings) as site:
        sent = await crowd(site, people=20)
        await until_waiting(site, "pager", 14)
        await site.until_taken(6)
        one = await site.person("one", "one-pager")
        urgent = [(one, await site.send("one", n, type="urgent")) for n in range(4)]
        await until_all(site, urgent, "sent")
        assert len(vendor.simulator.taken) == 10
        begun_ms = site.clock.now_ms()
        await site.live_until(lambda: all_in(site, sent, "sent"))
        # The reserve fills before the others have their turn: 4 + 14 at ten a second.
        assert site.clock.now_ms() - begun_ms >= 1_800


async def test_a_provider_that_asks_to_wait_is_not_asked_for_anybody_meanwhile(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    async with started(tmp_path, layout, vendor) as site:
        ana = await site.person("ana", "ana-pager")
        vendor.simulator.dial([Dial.THROTTLE])
        sent = [(ana, await site.send("ana", 1))]
        await until_all(site, sent, "deferred")
        sent += await crowd(site, people=3)
        await until_waiting(site, "pager", 3)
        await site.live(29_000)
        assert len(vendor.simulator.calls) == 1
        await site.live_until(lambda: all_in(site, sent, "sent"))


async def test_a_producer_that_floods_delays_itself(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    settings = {"rate_per_second": 50.0, "burst": 1, "critical_reserve": 0.0}
    deliver = Deliver(in_flight_max=10)
    async with started(tmp_path, layout, vendor, deliver=deliver, **settings) as site:
        await crowd(site, people=200)
        await until_waiting(site, "pager", 9)
        small = await site.person("small", "small-pager")
        by = replace(LOCAL, name="other", producer="other")
        sent = [(small, await site.send("small", 0, by=by))]
        # Time that passed before it is in hand would be the others' alone.
        await site.unhurried_until(lambda: all_in(site, sent, "sent"))
        assert len(vendor.simulator.taken) <= 40


async def test_a_provider_that_calls_everybody_dead_is_not_believed(
    tmp_path: Path, layout: str, vendor: Vendor
) -> None:
    async with started(tmp_path, layout, vendor, dead_addresses_max=2) as site:
        vendor.simulator.dial([Dial.DEAD_ADDRESS] * 12)
        sent: list[Sent] = []
        for n in range(12):
            one = await site.person(f"p{n}", f"pager-{n}")
            sent.append((one, await site.send(one.id, n)))
            await until_all(site, sent[-1:], "failed")
        people = await site.services.stores.recipients.by_id([one.id for one, _ in sent])
        dead = [one for one in people.values() if one.addresses[0].dead_ms is not None]
        assert len(dead) == 2
        assert site.services.delivery.health.kept == {"pager": 10}
