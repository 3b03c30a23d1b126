"""Cancels: what is said of a delivery is what becomes of it, whoever comes first."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.sending_site import ALL_DAY_BUT_EVENING, HOUR_MS, SendingSite, inbox_and_push
from tocsin.app.delivering.histories import Histories
from tocsin.domain.delivery import State
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.preferences import Preferences
from tocsin.domain.records import Settled
from tocsin.ports.state import Claim


@pytest.fixture(params=["joint", "split"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SendingSite]:
    made = SendingSite(tmp_path, request.param, fanout_threshold=10)
    await made.open()
    await made.publish({**inbox_and_push("both"), "lane": "bulk"})
    only_push = [{"channel": "push", "title": "Hello", "body": "you"}]
    await made.publish({"key": "push", "on": ["push"], "lane": "bulk", "steps": only_push})
    await made.people(3, Preferences(quiet_hours=(ALL_DAY_BUT_EVENING,)))
    yield made
    await made.close()


async def test_verdicts_say_what_was_shown_and_what_was_stopped(site: SendingSite) -> None:
    site.start()
    await site.send(type="both", recipients=["q0"], cancellation_key="k")
    await site.send(type="push", recipients=["q1"], cancellation_key="k")
    await site.routed()
    async with await site.client() as client:
        answer = await client.post("/v1/cancel", json={"cancellation_key": "k"})
        verdicts = {each["id"]: each["verdict"] for each in answer.json()["recipients"]}
        assert verdicts == {"q0": "partly_sent", "q1": "cancelled"}
        again = await client.post("/v1/cancel", json={"cancellation_key": "k"})
        assert again.json()["recipients"] == answer.json()["recipients"]
        status = await client.get(answer.json()["status"])
        assert status.json()["counts"] == answer.json()["counts"]
    assert await site.services.stores.timers.next_due_ms() is None
    settled = await site.settled()
    assert settled["bulk", "push", "cancelled"] == 2
    assert settled["bulk", "inbox", "sent"] == 1


async def test_a_cancel_before_the_event_catches_it(site: SendingSite) -> None:
    site.start()
    async with await site.client() as client:
        body = {"cancellation_key": "k", "recipients": ["q0"], "hold_for": "10m"}
        answer = await client.post("/v1/cancel", json=body)
        assert answer.json()["recipients"] == [{"id": "q0", "verdict": "held"}]
        await site.send(type="both", recipients=["q0", "q1"], cancellation_key="k")
        await site.routed()
        status = (await client.get(answer.json()["status"])).json()
        assert status["recipients"] == [{"id": "q0", "verdict": "cancelled"}]
        assert status["counts"] == {"cancelled": 1}
    settled = await site.settled()
    assert settled["bulk", "inbox", "cancelled"] == 1
    assert settled["bulk", "push", "cancelled"] == 1
    assert settled["bulk", "inbox", "sent"] == 1
    site.clock.advance(site.clock.now_ms() + HOUR_MS)
    await site.send(type="both", id="later", recipients=["q0"], cancellation_key="k")
    await site.routed()
    assert (await site.settled())["bulk", "inbox", "sent"] == 2


async def test_whom_a_held_cancel_caught_is_counted_without_being_named(site: SendingSite) -> None:
    site.start()
    async with await site.client() as client:
        answer = await client.post("/v1/cancel", json={"cancellation_key": "k"})
        assert answer.json()["counts"] == {}
        for person in ("q0", "q1", "new"):
            await site.send(type="both", recipients=[person], cancellation_key="k")
        await site.routed()
        status = (await client.get(answer.json()["status"])).json()
        assert status["counts"] == {"cancelled": 3}
        assert {each["id"] for each in status["recipients"]} == {"q0", "q1", "new"}
    settled = await site.settled()
    assert settled == {("bulk", "inbox", "cancelled"): 3, ("bulk", "push", "cancelled"): 3}


async def test_a_fan_out_ends_where_the_cancel_finds_it(site: SendingSite) -> None:
    await site.people(300)
    site.follow()
    event = await site.send(type="both", recipients={"everyone": True}, cancellation_key="k")
    await site.routed()
    row = (await site.services.stores.fanouts.of_event(event))[0]
    async with await site.client() as client:
        answer = await client.post("/v1/cancel", json={"cancellation_key": "k"})
        assert answer.status_code == 202
        assert answer.json()["counts"] == {"cancelled": 606}
        site.start()
        await site.fanned_out(event)
        status = await client.get(answer.json()["status"])
        assert status.json()["counts"] == {"cancelled": 606}
        shown = await client.get(f"/v1/fanouts/fan_{row.key.hex()}")
        assert shown.json()["by_reason"]["inbox"] == {"cancelled": 303}
    assert not await site.handed(event)
    assert (await site.settled())["bulk", "inbox", "cancelled"] == 303


async def test_what_a_fan_out_handed_over_is_in_flight_until_it_has_settled(
    site: SendingSite,
) -> None:
    people = await site.people(40)
    site.start()
    event = await site.send(type="both", recipients={"everyone": True}, cancellation_key="k")
    await site.fanned_out(event)
    services = site.services
    keys = [
        delivery_key(notification_key(EventKey(event), 0, one.number), 1, 0) for one in people[:9]
    ]
    now_ms = site.clock.now_ms()
    rows = [Claim(key, "worker", State.SENDING, 1, now_ms, "k") for key in keys]
    await services.stores.claims.claim(rows)
    async with await site.client() as client:
        answer = await client.post("/v1/cancel", json={"cancellation_key": "k"})
        handed = answer.json()["counts"]["in_flight"]
        assert handed == 40
        outcomes = [
            Settled(key, "bulk", "push", state, "x", now_ms)
            for key, state in zip(keys, ["sent"] * 5 + ["failed"] * 4, strict=True)
        ]
        await Histories(services.storage.log, services.follow).add(outcomes)
        await site.settled()
        status = (await client.get(answer.json()["status"])).json()
    before = answer.json()["counts"]
    assert status["counts"]["in_flight"] == 31
    assert status["counts"]["already_sent"] == before["already_sent"] + 9
    assert sum(status["counts"].values()) == sum(before.values())


@pytest.mark.parametrize(
    ("what", "allowed"),
    [("workflows", "push"), ("categories", "general"), ("sources", "shop"), ("lanes", "bulk")],
)
async def test_a_key_that_may_not_send_everything_cancels_nothing(
    site: SendingSite, what: str, allowed: str
) -> None:
    site.start()
    await site.send(type="push", recipients=["q0"], cancellation_key="k")
    await site.routed()
    async with await site.client("producer", **{what: [allowed]}) as client:
        answer = await client.post("/v1/cancel", json={"cancellation_key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert what in answer.json()["detail"]
    claims = site.services.stores.claims
    assert [row.holder for row in await claims.by_cancellation_key("k")] == ["route"]
    assert not await claims.tombstones(["k"], site.clock.now_ms())
    async with await site.client("producer", rate_per_s=50) as client:
        answer = await client.post("/v1/cancel", json={"cancellation_key": "k"})
    assert answer.json()["recipients"] == [{"id": "q0", "verdict": "cancelled"}]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_what_is_called_cancelled_is_never_sent(site: SendingSite) -> None:
    dice = random.Random(8)
    site.start()
    people = await site.services.stores.recipients.by_id(["q0", "q1"])
    numbers = {id: one.number for id, one in people.items()}
    called: set[bytes] = set()
    cancelled = 0
    async with await site.client() as client:
        for n in range(100):
            key = f"k{n}"
            event = await site.send(type="push", recipients=["q0", "q1"], cancellation_key=key)
            if dice.random() < 0.8:
                await site.routed()
            due_ms = await site.services.stores.timers.next_due_ms()
            if due_ms is not None:
                site.clock.advance(due_ms)
            work = site.spawn(_worker(site, key, called, dice.randrange(400)))
            for _ in range(dice.randrange(400)):
                await asyncio.sleep(0)
            answer = await client.post("/v1/cancel", json={"cancellation_key": key})
            found = {e["id"]: e["verdict"] for e in answer.json()["recipients"]}
            await work
            await site.routed()
            assert set((await site.handed(event)).values()) <= {1}
            sent = {each for each in called if each[:10] == event[:10]}
            for id, verdict in found.items():
                was_sent = any(int.from_bytes(each[11:16], "big") == numbers[id] for each in sent)
                assert (verdict == "cancelled") != was_sent, (n, found)
            cancelled += 2 - len(sent)
            site.clock.advance(site.clock.now_ms() + 16 * HOUR_MS)
    assert called
    assert cancelled
    assert (await site.settled())["bulk", "push", "cancelled"] == cancelled


async def _worker(site: SendingSite, key: str, called: set[bytes], later: int) -> None:
    """Take what waits for a worker, as a worker does: by the row, then the call."""
    for _ in range(later):
        await asyncio.sleep(0)
    claims = site.services.stores.claims
    for row in await claims.by_cancellation_key(key):
        if row.state == State.PENDING:
            mine = Claim(row.delivery, "worker", State.SENT, row.epoch + 1, row.at_ms, key)
            stands = await claims.swap(row, mine)
            if stands.holder == "worker":
                called.add(row.delivery)
