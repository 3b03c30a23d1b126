"""Reading the ledger over real files: events, lists and single notifications."""

from __future__ import annotations

import pytest

from tests.app.test_audit import WORKFLOW, event
from tests.app.town import BEGIN_MS, Town
from tocsin.app.history.ledger import ShownNote
from tocsin.app.inbox import Reader
from tocsin.domain.ids import event_key
from tocsin.domain.recipient import Recipient
from tocsin.errors import NotFound, RequestRefused


async def sent(town: Town, *orders: int, to: str = "ana", step_ms: int = 10) -> list[bytes]:
    """Send events one after the other, at times of their own; return their keys."""
    keys = []
    for n in orders:
        town.clock.advance(town.clock.now_ms() + step_ms)
        keys += await town.send(event(n, data={"to": to}))
    await town.routed()
    return keys


def events_of(items: list[ShownNote]) -> list[bytes]:
    return [each.note.event for each in items]


async def test_an_event_shows_its_runs(town: Town) -> None:
    await town.publish(WORKFLOW)
    town.start()
    (key,) = await sent(town, 1)

    view = await town.services.history.ledger.event(key)

    assert view.outcome == "routed"
    (run,) = [run for lane in view.lanes for _, run in lane.runs()]
    assert (run.workflow, len(run.notifications)) == ("order.shipped", 1)
    with pytest.raises(NotFound):
        await town.services.history.ledger.event(event_key(BEGIN_MS, bytes(10)))


@pytest.mark.parametrize("step_ms", [10, 0])
async def test_a_recipients_pages_hold_everything_once(town: Town, step_ms: int) -> None:
    await town.publish(WORKFLOW)
    town.start()
    keys = await sent(town, *range(7), step_ms=step_ms)
    await sent(town, 100, to="bob")
    ledger = town.services.history.ledger
    pages, before_ms = [], None
    while True:
        page = await ledger.of_recipient("ana", before_ms=before_ms, limit=3)
        pages.append(events_of(list(page.items)))
        before_ms = page.next
        if before_ms is None:
            break

    assert sorted(key for page in pages for key in page) == sorted(keys)
    assert all(each.deliveries[0].standing.state == "sent" for each in page.items)
    with pytest.raises(NotFound):
        await ledger.of_recipient("nobody", before_ms=None, limit=3)


async def test_an_events_notifications_come_in_pages(town: Town) -> None:
    await town.publish(WORKFLOW)
    town.start()
    (key,) = await town.send(event(1, recipients=["ana", "bob", "cem"]))
    await town.routed()
    ledger = town.services.history.ledger

    first = await ledger.of_event(key, after=0, limit=2)
    second = await ledger.of_event(key, after=first.next or 0, limit=2)

    names = [each.note.recipient_id for each in (*first.items, *second.items)]
    assert sorted(names) == ["ana", "bob", "cem"]
    assert second.next is None


async def test_what_expired_is_listed_by_its_workflow(town: Town) -> None:
    await town.publish({**WORKFLOW, "expires_in": "1s"})
    await town.publish({**WORKFLOW, "key": "other", "on": ["other"]})
    late = await town.send(event(1), event(2))
    town.clock.advance(BEGIN_MS + 5_000)
    town.start()
    await sent(town, 3)
    ledger = town.services.history.ledger
    window = {"since_ms": BEGIN_MS, "before_ms": BEGIN_MS + 60_000, "limit": 10}

    expired = await ledger.of_workflow("order.shipped", "expired", **window)
    pending = await ledger.of_workflow("order.shipped", "pending", **window)
    other = await ledger.of_workflow("other", "expired", **window)

    assert sorted(events_of(list(expired.items))) == sorted(late)
    assert (pending.items, other.items) == ([], [])
    with pytest.raises(RequestRefused) as refused:
        await ledger.of_workflow("order.shipped", "sent", **window)
    assert refused.value.code == "filter_not_served"


async def test_a_notification_shows_what_the_reader_did(town: Town) -> None:
    await town.publish(WORKFLOW)
    town.start()
    await sent(town, 1)
    services = town.services
    (shown,) = (await services.history.ledger.of_recipient("ana", before_ms=None, limit=5)).items
    reader = Reader(shown.note.recipient, "ana")
    await services.inbox.change(reader, "read", [shown.note.key])
    await town.followed()

    view = await services.history.ledger.notification(shown.note.key)

    assert view.engagement is not None
    assert view.engagement.read_ms == town.clock.now_ms()
    assert view.shown.deliveries[0].standing.state == "delivered"


async def test_a_broadcasts_notification_is_found_and_listed(town: Town) -> None:
    await town.services.stores.recipients.put([Recipient(0, "ana")])
    await town.publish({**WORKFLOW, "audience": {"everyone": True}})
    town.start()
    (key,) = await town.send(event(1))
    await town.decided(key)
    ledger = town.services.history.ledger

    (listed,) = (await ledger.of_recipient("ana", before_ms=None, limit=5)).items
    found = await ledger.notification(listed.note.key)

    assert listed.note.event == key
    assert found.shown.deliveries[0].standing.state == "sent"
