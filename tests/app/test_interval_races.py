"""Who ends a delay or wait when several could: a receipt, the timer, a cancel, and crashes."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.app.runs import CHAT, INBOX, LAST, PUSH, Runs, wait
from tests.app.sending_site import HOUR_MS, Abandoned, SendingSite
from tocsin.app.routing.holding import CANCEL
from tocsin.domain.delivery import State
from tocsin.domain.intervals import is_interval
from tocsin.domain.records import Plan
from tocsin.ports.state import Suppression


async def test_a_receipt_in_time_wins(runs: Runs) -> None:
    await runs.publish(INBOX, PUSH, wait("1h", "delivered", "push"), CHAT)
    event = await runs.send()
    await runs.tell(event, 1, "sent")
    await runs.at(HOUR_MS - 1)
    for _ in range(2):
        await runs.tell(event, 1, "delivered", receipt=True)
    await runs.at(2 * HOUR_MS)
    assert await runs.handed() == [1]
    assert (await runs.settled())["push", "suppressed"] == 1


async def test_a_late_receipt_is_a_fact_and_nothing_else(runs: Runs) -> None:
    await runs.publish(INBOX, PUSH, wait("1h", "delivered", "push"), CHAT)
    event = await runs.send()
    await runs.tell(event, 1, "sent")
    await runs.at(HOUR_MS)
    await runs.until_handed(1, 2)
    await runs.tell(event, 1, "delivered", receipt=True)
    await runs.at(2 * HOUR_MS)
    assert await runs.handed() == [1, 2]
    assert ("push", "suppressed") not in await runs.settled()


async def test_a_receipt_at_the_very_time_wins_or_loses_and_never_both(runs: Runs) -> None:
    await runs.publish(INBOX, PUSH, wait("1h", "delivered", "push"), CHAT)
    won = set()
    for turn in range(20):
        event = await runs.send()
        await runs.tell(event, 1, "sent")
        runs.site.clock.advance(runs.site.clock.now_ms() + HOUR_MS)
        for _ in range(turn):
            await asyncio.sleep(0)
        await runs.tell(event, 1, "delivered", receipt=True)
        handed = runs.delivery(event, 2) in await runs.deliveries()
        left = runs.delivery(event, 2) in await runs.suppressed()
        assert handed is not left
        won.add(handed)
    assert len(won) >= 1


@pytest.mark.parametrize("interval", [{"delay": "2h"}, wait("2h", "read")], ids=["delay", "wait"])
@pytest.mark.parametrize("named", [True, False])
async def test_a_cancel_reaches_a_run_that_waits(
    runs: Runs, interval: dict[str, object], named: bool
) -> None:
    await runs.publish(INBOX, interval, PUSH, {"delay": "1h"}, LAST)
    await runs.send(cancellation_key="k")
    async with await runs.site.client() as client:
        body = {"cancellation_key": "k", "hold_for": "10m"}
        if named:
            body["recipients"] = [runs.ana.id]  # type: ignore[assignment]  # JSON
        answer = await client.post("/v1/cancel", json=body)
        verdicts = [each["verdict"] for each in answer.json()["recipients"]]
        assert verdicts == ["partly_sent"]
    await runs.site.quiet()
    assert await runs.settled() == {("inbox", "sent"): 1, ("push", "cancelled"): 2}
    # Long after the cancel is no longer held.
    await runs.at(24 * HOUR_MS)
    assert not await runs.handed()
    assert await runs.site.services.stores.timers.next_due_ms() is None


async def test_a_cancel_reaches_a_wait_whose_time_does_not_run(runs: Runs) -> None:
    await runs.publish({**PUSH, "title": "t"}, wait("1h", "delivered"), CHAT)
    await runs.send(cancellation_key="k")
    async with await runs.site.client() as client:
        await client.post("/v1/cancel", json={"cancellation_key": "k"})
    await runs.site.quiet()
    assert (await runs.settled())["push", "cancelled"] == 2


async def test_what_meets_a_wait_ends_it_for_a_cancel_that_died_with_its_row(runs: Runs) -> None:
    """The time of that wait never runs, so no timer would."""
    await runs.publish({**PUSH, "title": "t"}, wait("1h", "delivered"), CHAT)
    event = await runs.send(cancellation_key="k")
    claims = runs.site.services.stores.claims
    (row,) = [each for each in await claims.by_cancellation_key("k") if is_interval(each.delivery)]
    taken = msgspec.structs.replace(row, holder=CANCEL, state=State.CANCELLED, epoch=row.epoch + 1)
    assert await claims.swap(row, taken) == taken
    await runs.tell(event, 0, "sent", "delivered")
    assert (await runs.settled())["push", "cancelled"] == 1
    assert not await runs.suppressed()


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(("shown", "verdict"), [(True, "already_sent"), (False, "cancelled")])
async def test_a_run_whose_rest_came_to_nothing_is_not_in_flight(
    runs: Runs, shown: bool, verdict: str, named: bool
) -> None:
    await runs.publish(INBOX, {"delay": "1h"}, PUSH)
    entry = Suppression("s", runs.ana.number, None, None, "asked", "test", 0)
    suppressions = runs.site.services.stores.suppressions
    if shown:
        await runs.send(cancellation_key="k")
    await suppressions.add([entry])
    if not shown:
        await runs.send(cancellation_key="k")
    await runs.at(HOUR_MS)
    body = {"cancellation_key": "k", **({"recipients": [runs.ana.id]} if named else {})}
    async with await runs.site.client() as client:
        answer = await client.post("/v1/cancel", json=body)
        assert answer.json()["recipients"] == [{"id": runs.ana.id, "verdict": verdict}]
        status = await client.get(answer.json()["status"])
        assert status.json()["recipients"] == answer.json()["recipients"]


async def test_a_cancel_and_the_timer_meet_at_one_row(runs: Runs) -> None:
    await runs.publish(INBOX, {"delay": "1h"}, PUSH)
    async with await runs.site.client() as client:
        for turn in range(10):
            key = f"k{turn}"
            event = await runs.send(cancellation_key=key)
            runs.site.clock.advance(runs.site.clock.now_ms() + HOUR_MS)
            for _ in range(3 * turn):
                await asyncio.sleep(0)
            answer = await client.post("/v1/cancel", json={"cancellation_key": key})
            await runs.site.quiet()
            handed = runs.delivery(event, 1) in await runs.deliveries()
            verdict = answer.json()["recipients"][0]["verdict"]
            standing = await runs.site.services.stores.claims.by_cancellation_key(key)
            states = {row.delivery: row.state for row in standing}
            pushed = states.get(runs.delivery(event, 1))
            if verdict == "already_sent":
                assert handed
                assert pushed != "cancelled"
            elif verdict == "partly_sent":
                # What was handed over is stopped before its call.
                assert pushed in {None, "cancelled"}
            else:
                assert verdict == "in_flight"
            assert handed or pushed in {None, "cancelled"}


@pytest.mark.parametrize("fallback", [True, False], ids=["fallback", "met"])
async def test_a_crash_between_any_two_awaits_decides_each_interval_once(
    runs: Runs, fallback: bool
) -> None:
    site = runs.site
    await runs.publish(INBOX, wait("1h", "read"), PUSH)
    at, crashed = 0, True
    while crashed:
        await site.reopen()
        site.start()
        event = await runs.send()
        if not fallback:
            await runs.change_without_tracking(event)
        site.clock.advance(site.clock.now_ms() + HOUR_MS)
        await site.reopen()
        crashed = await Abandoned(_fire(site) if fallback else _track(site), at)
        await site.reopen()
        site.start()
        await site.quiet()
        handed = runs.delivery(event, 1) in await runs.deliveries()
        assert handed is fallback, at
        assert (runs.delivery(event, 1) in await runs.suppressed()) is not fallback
        at += 1
    plans = await site.records("plans.transactional")
    answered = [each.input_key for each in plans if isinstance(each, Plan) and each.runs]
    assert len(answered) == len(set(answered)), "an interval was decided twice"


async def _fire(site: SendingSite) -> None:
    await site.services.delivery.receipts.step.begin()
    await site.services.tracker.begin()
    await site.services.tracker.turn()
    await site.services.timers.fire()


async def _track(site: SendingSite) -> None:
    await site.services.tracker.begin()
    await site.services.tracker.turn()
