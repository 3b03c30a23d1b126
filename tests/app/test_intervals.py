"""Delays and waits on virtual time, in both layouts: what fires, and what is not needed."""

from __future__ import annotations

import pytest

from tests.app.runs import CHAT, INBOX, LAST, PUSH, Runs, wait
from tests.app.sending_site import HOUR_MS, NOON_MS
from tocsin.app.inbox import Reader
from tocsin.domain.instants import show_instant
from tocsin.domain.intervals import interval_key


async def test_a_delay_holds_what_follows(runs: Runs) -> None:
    await runs.publish(INBOX, {"delay": "2h"}, PUSH)
    await runs.send()
    assert await runs.settled() == {("inbox", "sent"): 1}
    await runs.at(2 * HOUR_MS - 1)
    assert not await runs.handed()
    await runs.at(2 * HOUR_MS)
    assert await runs.handed() == [1]


async def test_an_audit_counts_the_runs_that_rest(runs: Runs) -> None:
    auditor = runs.site.services.history.auditor
    await runs.publish({"delay": "1h"}, INBOX, wait("1h", "read"), PUSH)
    await runs.send()
    assert (await auditor(NOON_MS)).resting == 1
    await runs.at(HOUR_MS)
    assert (await auditor(NOON_MS)).resting == 1
    await runs.at(2 * HOUR_MS)
    audit = await auditor(NOON_MS)
    assert audit.resting == 0
    assert audit.balanced


async def test_delays_add_up(runs: Runs) -> None:
    await runs.publish({"delay": "1h"}, {"delay": "1h"}, {**PUSH, "title": "t"})
    await runs.send()
    await runs.at(HOUR_MS)
    assert not await runs.handed()
    await runs.at(2 * HOUR_MS)
    assert await runs.handed() == [0]


async def test_a_fallback_fires_when_nobody_read(runs: Runs) -> None:
    await runs.publish(INBOX, wait("2h", "read"), PUSH)
    await runs.send()
    await runs.at(2 * HOUR_MS - 1)
    assert not await runs.handed()
    await runs.at(2 * HOUR_MS)
    assert await runs.handed() == [1]


@pytest.mark.parametrize("state", ["read", "acknowledge"])
async def test_a_fallback_is_not_needed_when_it_was_read(runs: Runs, state: str) -> None:
    await runs.publish(INBOX, wait("2h", "read"), PUSH, {"delay": "1h"}, LAST)
    event = await runs.send()
    await runs.at(2 * HOUR_MS - 1)
    await runs.change(event, state)
    # At once, and for all that follows.
    assert (await runs.settled())["push", "suppressed"] == 2
    await runs.at(24 * HOUR_MS)
    assert not await runs.handed()


@pytest.mark.parametrize("state", ["seen", "received"])
async def test_less_than_was_waited_for_does_not_count(runs: Runs, state: str) -> None:
    await runs.publish(INBOX, wait("2h", "read"), PUSH)
    event = await runs.send()
    await runs.change(event, state)
    await runs.at(2 * HOUR_MS)
    assert await runs.handed() == [1]


async def test_reading_everything_counts(runs: Runs) -> None:
    await runs.publish(INBOX, wait("2h", "read"), PUSH)
    await runs.send()
    assert (await runs.settled())["inbox", "sent"] == 1
    await runs.site.services.inbox.change_all(Reader(runs.ana.number, runs.ana.id), "read")
    await runs.site.quiet()
    assert (await runs.settled())["push", "suppressed"] == 1


async def test_the_time_runs_from_the_last_that_settles(runs: Runs) -> None:
    await runs.publish(INBOX, PUSH, wait("1h", "delivered", "push"), CHAT)
    event = await runs.send()
    await runs.at(3 * HOUR_MS)
    assert await runs.handed() == [1]
    await runs.tell(event, 1, "sent")
    await runs.at(4 * HOUR_MS - 1)
    assert await runs.handed() == [1]
    await runs.at(4 * HOUR_MS)
    assert await runs.handed() == [1, 2]


@pytest.mark.parametrize("how", ["failed", "suppressed", "expired", "cancelled"])
async def test_a_wait_in_vain_is_over_at_once(runs: Runs, how: str) -> None:
    await runs.publish(INBOX, PUSH, wait("1h", "delivered", "push"), CHAT)
    event = await runs.send()
    await runs.tell(event, 1, how)
    await runs.until_handed(1, 2)


async def test_a_bounce_ends_a_wait_that_runs(runs: Runs) -> None:
    await runs.publish(INBOX, PUSH, wait("1h", "delivered", "push"), CHAT)
    event = await runs.send()
    await runs.tell(event, 1, "sent")
    await runs.tell(event, 1, "failed", receipt=True)
    await runs.until_handed(1, 2)


async def test_receipts_come_in_any_order(runs: Runs) -> None:
    await runs.publish(INBOX, PUSH, wait("1h", "delivered", "push"), CHAT)
    event = await runs.send()
    await runs.tell(event, 1, "delivered", receipt=True)
    await runs.tell(event, 1, "sent")
    await runs.at(2 * HOUR_MS)
    assert await runs.handed() == [1]


async def test_an_escalation_goes_on_until_someone_acknowledges(runs: Runs) -> None:
    waits = [wait(f"{minutes}m", "acknowledged") for minutes in (10, 20, 30)]
    await runs.publish(INBOX, waits[0], PUSH, waits[1], CHAT, waits[2], LAST)
    event = await runs.send()
    minute = 60_000
    await runs.at(10 * minute)
    assert await runs.handed() == [1]
    await runs.tell(event, 1, "sent")
    await runs.at(30 * minute)
    assert await runs.handed() == [1, 2]
    await runs.tell(event, 2, "sent")
    await runs.at(59 * minute)
    await runs.change(event, "read")
    await runs.change(event, "acknowledge")
    await runs.at(120 * minute)
    assert await runs.handed() == [1, 2]
    assert (await runs.settled())["push", "suppressed"] == 1


async def test_what_was_read_during_a_delay_counts_for_the_wait_behind_it(runs: Runs) -> None:
    await runs.publish(INBOX, {"delay": "1h"}, PUSH, wait("1h", "read", "inbox"), CHAT)
    event = await runs.send()
    await runs.change(event, "read")
    await runs.at(HOUR_MS)
    await runs.until_handed(1)
    await runs.at(3 * HOUR_MS)
    assert await runs.handed() == [1]


async def test_a_run_ends_when_it_expires(runs: Runs) -> None:
    await runs.publish(INBOX, wait("2h", "read"), PUSH)
    await runs.send(expires_in="1h")
    await runs.at(HOUR_MS)
    assert (await runs.settled())["push", "expired"] == 1


async def test_the_audit_names_a_run_that_nothing_will_let_go_on(runs: Runs) -> None:
    await runs.publish(INBOX, {"delay": "2h"}, PUSH)
    event = await runs.send()
    await runs.send(send_at="1h")
    await runs.at(HOUR_MS)
    await runs.settled()
    auditor, timers = runs.site.services.history.auditor, runs.site.services.stores.timers
    assert (await auditor(NOON_MS - 1_000)).balanced
    key = interval_key(runs.delivery(event, 0)[:16], 0)
    await timers.disarm([timer.key for timer in await timers.waiting([key])])
    audit = await auditor(NOON_MS - 1_000)
    assert [each.kind for each in audit.missing] == ["run"]
    assert not audit.balanced


async def test_explain_says_what_a_run_waits_for_and_why_there_was_no_second_one(
    runs: Runs,
) -> None:
    await runs.publish(INBOX, wait("2h", "read"), PUSH)
    event = await runs.send()
    await runs.settled()
    explainer = runs.site.services.history.explainer
    said = await explainer(event, runs.ana.id)
    until = show_instant(NOON_MS + 2 * HOUR_MS)
    assert f"waits for the step push until {until}, unless it is read before" in said.sentence
    await runs.change(event, "read")
    await runs.settled()
    said = await explainer(event, runs.ana.id)
    assert f"did not get it by push because it was read at {show_instant(NOON_MS)}" in said.sentence
    assert said.runs[0].waiting is None
    assert not any(each.recomputed_differs for each in said.runs[0].deliveries)


async def test_a_wait_for_what_was_held_and_is_not_sent_after_all_goes_on(runs: Runs) -> None:
    await runs.publish({**PUSH, "title": "t"}, wait("1h", "delivered"), INBOX)
    async with await runs.site.client() as client:
        path = f"/v1/recipients/{runs.ana.id}/preferences"
        silence = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
        hours = [{**silence, "from": "11:00", "until": "14:00"}]
        assert (await client.patch(path, json={"quiet_hours": hours})).status_code < 300
        await runs.send()
        refusal = {"channels": {"push": False}}
        assert (await client.patch(path, json=refusal)).status_code < 300
    await runs.at(2 * HOUR_MS)
    await runs.at(2 * HOUR_MS + 1)
    assert await runs.settled() == {("push", "suppressed"): 1, ("inbox", "sent"): 1}
    assert await runs.site.services.stores.timers.next_due_ms() is None
