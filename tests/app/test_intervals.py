"""Delays and waits on virtual time, in both layouts: what fires, what is not needed, who wins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.sending_site import HOUR_MS, NOON_MS, Abandoned, SendingSite
from tocsin.app.delivering.histories import Histories
from tocsin.app.inbox import Reader
from tocsin.app.project import Projector
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.reasons import Reason
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Handoff, Plan, Settled

INBOX = {"channel": "inbox", "title": "Hello", "body": "It is {{ data.what }}"}
PUSH = {"channel": "push"}
CHAT = {"channel": "push", "name": "again"}
LAST = {"channel": "push", "name": "last"}


def wait(for_: str, unless: str, *of: str) -> dict[str, object]:
    step: dict[str, object] = {"for": for_, "unless": unless}
    return {"wait": {**step, "of": list(of)} if of else step}


class Runs:
    """A site with one person, and what became of one event's deliveries."""

    def __init__(self, site: SendingSite, ana: Recipient) -> None:
        self.site = site
        self.ana = ana

    async def publish(self, *steps: dict[str, object], **more: object) -> None:
        document = {"key": "note", "on": ["note"], "steps": list(steps), **more}
        await self.site.publish(document)

    async def send(self, **more: object) -> bytes:
        event = await self.site.send(type="note", recipients=[self.ana.id], **more)
        await self.site.routed()
        return event

    def delivery(self, event: bytes, step: int) -> bytes:
        return delivery_key(notification_key(EventKey(event), 0, self.ana.number), step, 0)

    async def handed(self) -> list[int]:
        """Return the steps that were handed over, in order."""
        records = await self.site.records("deliver.push.transactional")
        return [each.step for each in records if isinstance(each, Handoff)]

    async def deliveries(self) -> set[bytes]:
        """Return what was handed over."""
        records = await self.site.records("deliver.push.transactional")
        return {each.delivery for each in records if isinstance(each, Handoff)}

    async def suppressed(self) -> set[bytes]:
        """Return the deliveries that plans say are not needed."""
        plans = await self.site.records("plans.transactional")
        return {
            delivery_key(notification_key(EventKey(plan.event), 0, note.recipient), each.step, 0)
            for plan in plans
            if isinstance(plan, Plan)
            for run in plan.runs
            for note in run.notifications
            for each in note.decisions
            if each.reason is Reason.NOT_NEEDED
        }

    async def until_handed(self, *steps: int) -> None:
        async def handed() -> bool:
            return await self.handed() == list(steps)

        await self.site.until(f"{steps} handed over", handed)

    async def at(self, ms: int) -> None:
        """Go on to a time after noon, and let everything due be done."""
        self.site.clock.advance(NOON_MS + ms)
        await self.site.quiet()

    async def tell(self, event: bytes, step: int, state: str, *, receipt: bool = False) -> None:
        """Say what a provider says of a delivery."""
        record = Settled(
            self.delivery(event, step),
            "transactional",
            "push",
            state,
            state,
            self.site.clock.now_ms(),
            receipt=receipt,
        )
        await Histories(self.site.services.storage.log, self.site.services.follow).add([record])
        await self.site.quiet()

    async def change(self, event: bytes, state: str) -> None:
        """Do something with the item in the inbox."""
        key = notification_key(EventKey(event), 0, self.ana.number)
        reader = Reader(self.ana.number, self.ana.id)

        async def changed() -> bool:
            return bool(await self.site.services.inbox.change(reader, state, [key]))

        await self.site.until("shown", changed)
        await self.site.quiet()

    async def change_without_tracking(self, event: bytes) -> None:
        """Read the item in a process that ends before anybody looks at that."""
        assert (await self.settled())["inbox", "sent"]
        await self.site.reopen()
        key = notification_key(EventKey(event), 0, self.ana.number)
        reader = Reader(self.ana.number, self.ana.id)
        work = self.site.services.inbox.change(reader, "read", [key])
        if not self.site.services.storage.log.atomic_with_views:
            services = self.site.services
            view = Projector(
                services.storage.log, services.storage.inbox, services.inbox_projection
            )
            _ = self.site.spawn(view.run())
        assert await work

    async def settled(self) -> dict[tuple[str, str], int]:
        return {
            (channel, state): number
            for (_, channel, state), number in (await self.site.settled()).items()
            if number
        }


@pytest.fixture(params=["joint", "split"])
async def runs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Runs]:
    site = SendingSite(tmp_path, request.param)
    await site.open()
    (ana,) = await site.people(1)
    site.start()
    yield Runs(site, ana)
    await site.close()


async def test_a_delay_holds_what_follows(runs: Runs) -> None:
    await runs.publish(INBOX, {"delay": "2h"}, PUSH)
    await runs.send()
    assert await runs.settled() == {("inbox", "sent"): 1}
    await runs.at(2 * HOUR_MS - 1)
    assert not await runs.handed()
    await runs.at(2 * HOUR_MS)
    assert await runs.handed() == [1]


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


@pytest.mark.parametrize("interval", [{"delay": "2h"}, wait("2h", "read")], ids=["delay", "wait"])
@pytest.mark.parametrize("named", [True, False])
async def test_a_cancel_reaches_a_run_that_intervals(
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
    await site.services.tracker.begin()
    await site.services.tracker.turn()
    await site.services.timers.fire()


async def _track(site: SendingSite) -> None:
    await site.services.tracker.begin()
    await site.services.tracker.turn()
