"""Audits over real files: what balances, and what does not once something is taken away."""

from __future__ import annotations

from tests.app.town import BEGIN_MS, Town
from tocsin.app.auditing.differences import Differences, Found, Sides
from tocsin.app.auditing.watch import AuditWatch
from tocsin.domain.audit import (
    SETTLING_MS,
    Audit,
    DeliveryLine,
    EventLine,
    Planned,
    Window,
    planned_deliveries,
)
from tocsin.domain.ids import show_event
from tocsin.domain.records import Plan

WORKFLOW = {
    "key": "order.shipped",
    "on": ["order.shipped"],
    "category": "orders",
    "audience": {"path": "data.to"},
    "steps": [{"channel": "inbox", "title": "Shipped", "body": "It is on its way"}],
}


def event(n: int, **more: object) -> dict[str, object]:
    return {
        "type": "order.shipped",
        "id": f"o-{n}",
        "source": "shop",
        "data": {"to": f"u{n}"},
        **more,
    }


async def sent(town: Town, count: int = 20) -> list[bytes]:
    """Send events of which all but one have a workflow, and let them settle."""
    await town.publish(WORKFLOW)
    town.start()
    keys = await town.send(*(event(n) for n in range(count)))
    await town.send({"type": "nobody.asked", "source": "shop", "id": "x"})
    await town.routed()
    return keys


async def audited(town: Town, *, later_ms: int = SETTLING_MS + 1_000) -> Audit:
    town.clock.advance(town.clock.now_ms() + later_ms)
    return await town.services.history.auditor(BEGIN_MS)


async def test_everything_that_was_accepted_has_an_outcome(town: Town) -> None:
    await sent(town)

    audit = await audited(town)

    assert audit.balanced
    assert audit.missing == ()
    assert audit.settling == 0
    assert audit.events["transactional"] == EventLine(accepted=21, routed=20, unrouted=1)
    assert audit.events["bulk"] == EventLine()
    assert audit.deliveries == {"transactional": {"inbox": DeliveryLine(planned=20, sent=20)}}


async def test_a_repeat_that_route_settles_is_an_alias(town: Town) -> None:
    await town.publish(WORKFLOW)
    # Both are accepted before anything is routed, so memory does not know the first yet.
    await town.send(event(1))
    await town.send(event(1))
    town.start()
    await town.routed()

    audit = await audited(town)

    assert audit.balanced
    assert audit.events["transactional"] == EventLine(accepted=2, routed=1, aliases=1)


async def test_what_is_not_routed_yet_waits(town: Town) -> None:
    await town.publish(WORKFLOW)
    await town.send(event(1), event(2))

    audit = await audited(town)

    assert audit.balanced
    assert audit.events["transactional"] == EventLine(accepted=2, waiting=2)


async def test_only_the_window_is_counted(town: Town) -> None:
    await sent(town, 3)
    middle_ms = BEGIN_MS + 10_000
    town.clock.advance(middle_ms)
    await town.send(*(event(n) for n in range(10, 15)))
    await town.routed()
    town.clock.advance(middle_ms + 10 * SETTLING_MS)
    auditor = town.services.history.auditor

    first, second = await auditor(BEGIN_MS, middle_ms), await auditor(middle_ms)

    assert (first.events["transactional"].accepted, first.balanced) == (4, True)
    assert second.deliveries["transactional"]["inbox"] == DeliveryLine(planned=5, sent=5)
    assert second.balanced


async def test_plans_that_are_gone_are_named_by_their_events(town: Town) -> None:
    keys = await sent(town)
    topic = "SELECT number FROM log_topic WHERE name = 'plans.transactional'"
    assert town.damage("log", f"DELETE FROM log_span WHERE topic = ({topic})") > 0

    audit = await audited(town)

    assert not audit.balanced
    names = {each.id for each in audit.missing if each.kind == "event"}
    assert names >= {show_event(key) for key in keys}
    assert audit.events["transactional"].difference == 21
    assert audit.deliveries["transactional"]["inbox"].difference == -20
    assert any(each.kind == "settled" for each in audit.missing)


async def test_events_that_are_gone_are_named_by_their_plans(town: Town) -> None:
    keys = await sent(town)
    topic = "SELECT number FROM log_topic WHERE name = 'events.transactional'"
    assert town.damage("log", f"DELETE FROM log_span WHERE topic = ({topic})") > 0

    audit = await audited(town)

    assert audit.violations == 21
    assert {each.id for each in audit.missing} >= {show_event(key) for key in keys}
    assert {each.kind for each in audit.missing} == {"plan"}


async def test_a_settlement_that_is_gone_is_named(town: Town) -> None:
    keys = await sent(town)
    assert town.damage("views", "DELETE FROM settled_chunk") > 0

    audit = await audited(town)

    assert audit.violations == 20
    assert {each.kind for each in audit.missing} == {"delivery"}
    prefixes = {each.id[4:24] for each in audit.missing}
    assert prefixes == {key[:10].hex() for key in keys}
    assert audit.deliveries["transactional"]["inbox"] == DeliveryLine(planned=20)


async def test_what_is_young_is_settling_and_no_violation(town: Town) -> None:
    await sent(town)
    town.damage("views", "DELETE FROM settled_chunk")

    audit = await audited(town, later_ms=SETTLING_MS - 1)

    assert audit.balanced
    assert audit.settling == 20


async def test_what_settles_while_it_is_counted_is_no_violation(town: Town) -> None:
    await sent(town)
    window = Window(BEGIN_MS, BEGIN_MS + 60_000, BEGIN_MS + 50_000)
    planned = Planned(window)
    plans = [each for each in await town.records("plans.transactional") if isinstance(each, Plan)]
    for plan in plans:
        planned.take_plan("transactional", plan)
    deliveries = [each for plan in plans for each in planned_deliveries(plan, "inbox")]
    # When it was asked nothing had settled, then one had, and now all have.
    pending = dict.fromkeys(deliveries[1:], ("transactional", "inbox"))
    sides = Sides(window, planned, {}, {}, pending)
    found = Found()

    await Differences(town.services.storage.log, town.services.storage.ledger).deliveries(
        sides, found
    )

    assert len(deliveries) == 20
    assert (found.violations, found.missing) == (0, [])


async def test_repair_routes_what_no_plan_names(town: Town) -> None:
    await town.publish(WORKFLOW)
    keys = await town.send(*(event(n) for n in range(5)))
    log = town.services.storage.log
    # A router that had lost its place: it stands behind events that it never answered.
    for partition in range(log.partitions):
        end = log.end("events.transactional", partition)
        await log.acquire("route", "events.transactional", partition)
        town.damage(
            "log",
            "UPDATE log_position SET position = ? WHERE topic = 'events.transactional'"
            " AND partition = ?",
            (end, partition),
        )
    town.start()
    await town.routed()
    before = await audited(town)
    assert {each.id for each in before.missing} == {show_event(key) for key in keys}

    mended = await town.services.history.auditor(BEGIN_MS, mend=True)
    await town.routed()
    after = await audited(town)

    assert mended.repaired == 5
    assert after.balanced
    assert after.events["transactional"] == EventLine(accepted=5, routed=5)
    assert after.deliveries["transactional"]["inbox"] == DeliveryLine(planned=5, sent=5)


async def test_repair_sends_nothing_again_of_which_only_the_plan_is_gone(town: Town) -> None:
    keys = await sent(town, 5)
    topic = "SELECT number FROM log_topic WHERE name = 'plans.transactional'"
    assert town.damage("log", f"DELETE FROM log_span WHERE topic = ({topic})") > 0
    before = await audited(town)
    assert {each.id for each in before.missing} >= {show_event(key) for key in keys}

    mended = await town.services.history.auditor(BEGIN_MS, mend=True)
    await town.routed()

    # Of the one that no workflow takes there is nothing to send.
    assert mended.repaired == 1
    people = await town.services.stores.recipients.by_id([f"u{n}" for n in range(5)])
    for one in people.values():
        items = await town.services.storage.inbox.items(one.number, before=None, limit=5)
        assert len(items) == 1
    after = await audited(town)
    assert after.deliveries["transactional"]["inbox"].sent == 5


async def test_the_watch_looks_again_at_what_did_not_balance(town: Town) -> None:
    told: list[int] = []
    watch = AuditWatch(town.services.history.auditor, town.clock, told.append)
    await sent(town, 4)
    town.clock.advance(BEGIN_MS + 2 * SETTLING_MS)
    await watch.look()
    # What is gone is found only by a watch that has not seen it balance, and then every minute.
    town.damage("views", "DELETE FROM settled_chunk")
    town.clock.advance(BEGIN_MS + 3 * SETTLING_MS)
    await watch.look()
    assert told == [0, 0]

    town.damage("views", "DELETE FROM settled_late")
    again = AuditWatch(town.services.history.auditor, town.clock, told.append)
    again._begin_ms = BEGIN_MS
    for _ in range(2):
        town.clock.advance(town.clock.now_ms() + SETTLING_MS)
        await again.look()
    town.clock.advance(BEGIN_MS + 62 * SETTLING_MS)
    await again.look()

    assert told == [0, 0, 4, 4, 0]
