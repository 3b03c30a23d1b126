"""What `tocsin.ports.views.LedgerView` promises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import msgspec
import pytest

from tests.contract.view_records import BEGIN_MS, broadcast, change, item
from tests.contract.view_stores import LAYOUTS, ViewStores
from tocsin.domain.decision import Decision, PlannedNotification
from tocsin.domain.ids import EventKey, NotificationKey, delivery_key, event_key, notification_key
from tocsin.domain.reasons import Outcome, Reason, Verdict
from tocsin.domain.records import Attempt, Plan, PlannedRun, Settled
from tocsin.ports.log import Output

DAY_MS = 86_400_000
WINDOW = (BEGIN_MS - DAY_MS, BEGIN_MS + DAY_MS)


@pytest.fixture(params=LAYOUTS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ViewStores]:
    """Empty log and views."""
    made = ViewStores(tmp_path, cast(str, request.param))
    await made.open()
    yield made
    made.close()


def plan(number: int, recipient: int, *, at_ms: int = BEGIN_MS) -> Plan:
    """Return a plan that suppresses the recipient's email."""
    event = event_key(at_ms, number.to_bytes(10, "big"))
    decision = Decision(
        step=1, channel="email", verdict=Verdict.SUPPRESS, reason=Reason.OPTED_OUT, address=0
    )
    note = PlannedNotification(recipient, f"r{recipient}", 1, (decision,))
    run = PlannedRun("w", 1, 0, notifications=(note,))
    return Plan(
        incarnation=1,
        position=number,
        previous=number - 1,
        input_key=event,
        event=event,
        decided_ms=at_ms + 1,
        outcome=Outcome.ROUTED,
        runs=(run,),
    )


def suppressed(made: Plan, recipient: int) -> bytes:
    return delivery_key(notification_key(EventKey(made.event), 0, recipient), 1, 0)


def settled(delivery: bytes, state: str, at_ms: int, *, receipt: bool = False) -> Settled:
    return Settled(delivery, "bulk", "push", state, "r", at_ms, receipt=receipt)


async def test_an_item_is_sent_when_stored_and_delivered_when_it_has_arrived(
    stores: ViewStores,
) -> None:
    await stores.put(Output("inbox.bulk", 1, [item(1, 1, BEGIN_MS), item(1, 2, BEGIN_MS)]))
    stored = await stores.inbox.items(1, before=None, limit=1)
    delivery = delivery_key(NotificationKey(stored[0].key), 0, 0)
    assert (await stores.ledger.settled([delivery]))[delivery].state == "sent"
    received = msgspec.structs.replace(
        change(1, "received", stored, BEGIN_MS + 5), delivered=((delivery, "bulk"),)
    )
    await stores.put(Output("inbox.states", 1, [received]))
    await stores.reopen()

    found = (await stores.ledger.settled([delivery, bytes(20)]))[delivery]
    assert (found.state, found.at_ms) == ("delivered", BEGIN_MS + 5)
    assert await stores.ledger.settled([bytes(20)]) == {}
    counts = await stores.ledger.settled_counts(*WINDOW)
    assert {kind: n for kind, n in counts.items() if n} == {
        ("bulk", "inbox", "sent"): 1,
        ("bulk", "inbox", "delivered"): 1,
    }


async def test_what_a_plan_does_not_send_is_settled_with_its_reason(stores: ViewStores) -> None:
    made = plan(1, 7)
    await stores.put(Output("plans.bulk", 1, [made]))

    delivery = suppressed(made, 7)
    found = (await stores.ledger.settled([delivery]))[delivery]
    assert (found.state, found.reason, found.at_ms) == (
        "suppressed",
        Reason.OPTED_OUT,
        BEGIN_MS + 1,
    )
    assert (await stores.ledger.settled_counts(*WINDOW))["bulk", "email", "suppressed"] == 1


async def test_a_receipt_refines_sent_and_nothing_else(stores: ViewStores) -> None:
    sent = delivery_key(notification_key(event_key(BEGIN_MS, bytes(10)), 0, 1), 0, 0)
    failed = delivery_key(notification_key(event_key(BEGIN_MS, bytes(10)), 0, 2), 0, 0)
    await stores.put(
        Output(
            "outcomes", 0, [settled(sent, "sent", BEGIN_MS), settled(failed, "failed", BEGIN_MS)]
        )
    )
    late = [settled(each, "delivered", BEGIN_MS + 9, receipt=True) for each in (sent, failed)]
    await stores.put(Output("outcomes", 0, late))
    await stores.put(Output("outcomes", 0, [settled(sent, "sent", BEGIN_MS + 99)]))

    found = await stores.ledger.settled([sent, failed])
    assert {key: each.state for key, each in found.items()} == {sent: "delivered", failed: "failed"}


@pytest.mark.parametrize("together", [True, False])
async def test_a_receipt_may_take_back_what_was_delivered(
    stores: ViewStores, *, together: bool
) -> None:
    delivery = delivery_key(notification_key(event_key(BEGIN_MS, bytes(10)), 0, 1), 0, 0)
    told = [
        settled(delivery, "sent", BEGIN_MS),
        settled(delivery, "delivered", BEGIN_MS + 5, receipt=True),
        settled(delivery, "failed", BEGIN_MS + 9, receipt=True),
        settled(delivery, "delivered", BEGIN_MS + 12, receipt=True),
    ]
    for batch in [told] if together else [[each] for each in told]:
        await stores.put(Output("outcomes", 0, batch))

    found = (await stores.ledger.settled([delivery]))[delivery]
    assert (found.state, found.at_ms) == ("failed", BEGIN_MS + 9)
    counts = await stores.ledger.settled_counts(*WINDOW)
    assert [(state, n) for (_, _, state), n in counts.items() if n] == [("failed", 1)]


@pytest.mark.parametrize("batches", ["together", "apart", "receipt first"])
async def test_what_is_sent_long_after_it_was_accepted_is_counted_once(
    stores: ViewStores, batches: str
) -> None:
    delivery = delivery_key(notification_key(event_key(BEGIN_MS, bytes(10)), 0, 1), 0, 0)
    later_ms = BEGIN_MS + 3_600_000
    told = [
        msgspec.structs.replace(settled(delivery, "sent", later_ms), attempt=1),
        settled(delivery, "delivered", later_ms + 5, receipt=True),
    ]
    if batches == "receipt first":
        told.reverse()
    for batch in [told] if batches == "together" else [[each] for each in told]:
        await stores.put(Output("outcomes", 0, batch))

    assert (await stores.ledger.settled([delivery]))[delivery].state == "delivered"
    counts = await stores.ledger.settled_counts(*WINDOW)
    assert [(state, n) for (_, _, state), n in counts.items() if n] == [("delivered", 1)]


async def test_attempts_are_told_in_the_order_of_the_log(stores: ViewStores) -> None:
    delivery = delivery_key(notification_key(event_key(BEGIN_MS, bytes(10)), 0, 1), 0, 0)
    other = delivery_key(notification_key(event_key(BEGIN_MS, bytes(10)), 0, 2), 0, 0)
    first = Attempt(delivery, 1, 1, "p", "a", BEGIN_MS + 5)
    second = Attempt(delivery, 2, 1, "p", "b", BEGIN_MS + 1)
    outcome = settled(delivery, "sent", BEGIN_MS + 7)
    await stores.put(Output("outcomes", 0, [first, Attempt(other, 1, 1, "p", "c", BEGIN_MS)]))
    await stores.put(Output("outcomes", 0, [second, outcome]))
    await stores.reopen()

    another = Attempt(other, 1, 1, "p", "c", BEGIN_MS)
    unknown = delivery_key(notification_key(event_key(BEGIN_MS, bytes(10)), 0, 3), 0, 0)
    assert await stores.ledger.attempts([delivery, unknown, other, delivery]) == {
        delivery: [first, second, outcome],
        other: [another],
    }
    assert await stores.ledger.attempts([]) == {}


async def test_attempts_about_old_events_are_found_beside_those_about_new_ones(
    stores: ViewStores,
) -> None:
    """A retry of yesterday's message shares its commit with many of today's."""
    fresh = [delivery_of(recipient, BEGIN_MS) for recipient in range(1, 40)]
    old = delivery_of(40, BEGIN_MS - DAY_MS)
    tried = {each: Attempt(each, 1, 1, "p", "a", BEGIN_MS + 5) for each in (*fresh, old)}
    again = Attempt(old, 2, 1, "p", "a", BEGIN_MS + 9)
    outcome = settled(old, "sent", BEGIN_MS + 10)
    await stores.put(Output("outcomes", 0, [again, outcome]))
    await stores.put(Output("outcomes", 0, list(tried.values())))
    await stores.reopen()

    found = await stores.ledger.attempts([*fresh, old])
    assert found == {**{each: [tried[each]] for each in fresh}, old: [again, outcome, tried[old]]}
    # Looked for alone and at the edge of what one row may cover.
    assert await stores.ledger.attempts([old]) == {old: [again, outcome, tried[old]]}
    edge = [delivery_of(50, BEGIN_MS + 3_600_000), delivery_of(51, BEGIN_MS + 3_540_000)]
    await stores.put(Output("outcomes", 0, [Attempt(each, 1, 1, "p", "a", 1) for each in edge]))
    assert list(await stores.ledger.attempts([edge[1]])) == [edge[1]]


def delivery_of(recipient: int, accepted_ms: int) -> bytes:
    return delivery_key(notification_key(event_key(accepted_ms, bytes(10)), 0, recipient), 0, 0)


async def test_the_plans_of_a_recipient_newest_first_before_and_after_merging(
    stores: ViewStores,
) -> None:
    for number in range(30):
        await stores.put(
            Output("plans.bulk", number % 2, [plan(number, 7, at_ms=BEGIN_MS + number)])
        )
        await stores.put(Output("plans.critical", 0, [plan(100 + number, 8)]))
        if number % 5 == 0:
            await stores.merge()
    await stores.reopen()
    await stores.merge()

    found = await stores.ledger.notifications_of(7, before_ms=None, limit=4)
    assert found == [("bulk", number % 2, number // 2) for number in (29, 28, 27, 26)]
    older = await stores.ledger.notifications_of(7, before_ms=BEGIN_MS + 26, limit=2)
    assert older == [("bulk", 1, 12), ("bulk", 0, 12)]
    assert await stores.ledger.notifications_of(9, before_ms=None, limit=4) == []


async def test_counts_are_of_what_was_accepted_in_the_window(stores: ViewStores) -> None:
    made = [plan(number, 7, at_ms=BEGIN_MS + number * 10) for number in range(10)]
    await stores.put(Output("plans.bulk", 0, made[:7]))
    await stores.put(Output("plans.bulk", 0, made[7:]))

    for first in range(11):
        for end in range(first, 11):
            counts = await stores.ledger.settled_counts(BEGIN_MS + first * 10, BEGIN_MS + end * 10)
            assert counts.get(("bulk", "email", "suppressed"), 0) == end - first


async def test_a_broadcast_counts_its_receivers(stores: ViewStores) -> None:
    await stores.put(Output("inbox.broadcasts", 0, [broadcast(range(1, 1_001), 1, BEGIN_MS)]))

    counts = await stores.ledger.settled_counts(*WINDOW)
    assert counts["bulk", "inbox", "sent"] == 1_000


async def test_writing_the_same_batches_again_changes_nothing(tmp_path: Path) -> None:
    stores = ViewStores(tmp_path, "split")
    await stores.open()
    batches = await stores.put(
        Output("plans.bulk", 0, [plan(1, 7), plan(2, 7)]),
        Output("inbox.bulk", 1, [item(1, 1, BEGIN_MS)]),
        Output("inbox.broadcasts", 0, [broadcast((1, 2), 3, BEGIN_MS)]),
    )
    before = await stores.ledger.settled_counts(*WINDOW)
    await stores.ledger.write(batches)
    await stores.inbox.write([each for each in batches if each.topic.startswith("inbox")])

    assert await stores.ledger.settled_counts(*WINDOW) == before
    assert len(await stores.ledger.notifications_of(7, before_ms=None, limit=9)) == 2
    assert (await stores.inbox.counts(1, BEGIN_MS)).unread == 2
    stores.close()
