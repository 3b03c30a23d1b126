"""What is to be sent later: nothing is resolved or decided before its time."""

from __future__ import annotations

import pytest

from tests.app.runs import INBOX, PUSH, Runs
from tests.app.sending_site import HOUR_MS, NOON_MS
from tocsin.domain.instants import show_instant


@pytest.mark.parametrize("at", ["2h", show_instant(NOON_MS + 2 * HOUR_MS)])
async def test_a_message_is_sent_at_its_time(runs: Runs, at: str) -> None:
    await runs.publish(INBOX, PUSH)
    await runs.send(send_at=at)
    await runs.at(2 * HOUR_MS - 1)
    assert await runs.settled() == {}
    await runs.at(2 * HOUR_MS)
    assert await runs.settled() == {("inbox", "sent"): 1}
    assert await runs.handed() == [1]


async def test_a_time_that_has_passed_is_now(runs: Runs) -> None:
    await runs.publish(INBOX)
    await runs.send(send_at=show_instant(NOON_MS - 1))
    assert await runs.settled() == {("inbox", "sent"): 1}


async def test_the_expiry_counts_from_then(runs: Runs) -> None:
    await runs.publish(INBOX, {"delay": "30m"}, PUSH, expires_in="1h")
    await runs.send(send_at="2h")
    await runs.send(send_at="2h", expires_in="20m")
    await runs.at(2 * HOUR_MS)
    assert await runs.settled() == {("inbox", "sent"): 2}
    await runs.at(2 * HOUR_MS + HOUR_MS // 2)
    assert await runs.settled() == {("inbox", "sent"): 2, ("push", "expired"): 1}
    assert await runs.handed() == [1]


async def test_who_joins_a_group_before_then_gets_it(runs: Runs) -> None:
    await runs.publish(INBOX)
    async with await runs.site.client() as client:
        await client.put("/v1/groups/ops", json={"name": "Ops"})
        event = await runs.send_to({"group": "ops"}, send_at="1h")
        await client.put("/v1/groups/ops/members", json={"recipients": [runs.ana.id]})
        shown = (await client.get(f"/v1/events/evt_{event.hex()}")).json()
        assert shown["outcome"] == "scheduled"
        await runs.at(HOUR_MS)
        assert await runs.settled() == {("inbox", "sent"): 1}
        shown = (await client.get(f"/v1/events/evt_{event.hex()}")).json()
        assert shown["outcome"] == "routed"


@pytest.mark.parametrize("named", [True, False])
async def test_a_cancel_long_before_holds_until_then(runs: Runs, named: bool) -> None:
    await runs.publish(INBOX)
    await runs.send(send_at="48h", cancellation_key="k")
    async with await runs.site.client() as client:
        body: dict[str, object] = {"cancellation_key": "k", "hold_for": "10m"}
        await client.post("/v1/cancel", json=body | ({"recipients": ["p0"]} if named else {}))
    await runs.at(48 * HOUR_MS)
    assert await runs.settled() == {("inbox", "cancelled"): 1}


async def test_explain_says_when_it_is_to_be_sent(runs: Runs) -> None:
    await runs.publish(INBOX)
    event = await runs.send(send_at="2h")
    explanation = await runs.site.services.history.explainer(event, runs.ana.id)
    assert show_instant(NOON_MS + 2 * HOUR_MS) in explanation.sentence
    assert explanation.outcome == "waiting"
