"""What is counted comes out under its documented name, exactly."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry
from pyroaring import BitMap

from tocsin.api.measures import Measures
from tocsin.app.metrics.collector import EngineCollector, Labels, Shape
from tocsin.app.metrics.families import AUDIT_FAMILY, FAMILIES, Family
from tocsin.app.metrics.histogram import Histogram
from tocsin.app.metrics.meters import MessageMeter
from tocsin.domain.decision import Decision, PlannedNotification
from tocsin.domain.reasons import Outcome, Reason, Verdict
from tocsin.domain.records import (
    Broadcast,
    Item,
    Plan,
    PlannedRun,
    Poison,
    Record,
    Settled,
    StateChange,
)
from tocsin.ports.log import Batch
from tools.pages import metrics_page

BEGIN_MS = 1_900_000_000_000


def key(age_ms: int) -> bytes:
    return (BEGIN_MS - age_ms).to_bytes(6, "big") + bytes(10)


def item(age_ms: int) -> Item:
    return Item(key(age_ms), 1, "ana", BEGIN_MS, "orders", b"{}")


def plan(*verdicts: Verdict, outcome: Outcome = Outcome.ROUTED) -> Plan:
    decisions = tuple(
        Decision(step, "inbox", 0, verdict, Reason.SEND) for step, verdict in enumerate(verdicts)
    )
    run = PlannedRun("w", 1, 0, (PlannedNotification(1, "ana", 0, decisions),))
    return Plan(1, 0, -1, key(0), key(0), BEGIN_MS, outcome, (run,))


def batch(topic: str, *records: Record | Poison) -> Batch:
    return Batch(topic, 0, 0, records)


def meter() -> MessageMeter:
    return MessageMeter(lambda: BEGIN_MS)


def test_a_histogram_counts_a_batch_at_once() -> None:
    histogram = Histogram((0.1, 1.0))
    histogram.add(0.1, 3)
    histogram.add(0.5, 2)
    histogram.add(7.0)
    assert histogram.buckets() == [("0.1", 3), ("1", 5), ("+Inf", 6)]
    assert histogram.sum == 0.1 * 3 + 0.5 * 2 + 7.0


def test_what_becomes_visible_is_timed_from_its_acceptance() -> None:
    found = meter()
    found.shown([batch("inbox.bulk", item(3), item(3), Poison(b"x", "broken"), item(400))])
    buckets = dict(found.seconds["inbox", "bulk"].buckets())
    assert (buckets["0.0025"], buckets["0.005"], buckets["0.25"], buckets["0.5"]) == (0, 2, 2, 3)
    assert buckets["+Inf"] == 3


def test_a_broadcast_counts_everyone_who_sees_it() -> None:
    members, silent = BitMap(range(500)).serialize(), BitMap([700, 701]).serialize()
    chunk = Broadcast(
        *(b"f" * 16, key(20), "w", 1, 0, 0, "inbox", "news", "bulk", 0, BEGIN_MS),
        {Reason.SEND.value: members, Reason.OPTED_OUT.value: silent},
        b"{}",
        ("bulk", 0, 0),
    )
    found = meter()
    found.shown([batch("inbox.broadcasts", chunk)])
    found.ledger([batch("inbox.broadcasts", chunk)])
    assert dict(found.seconds["inbox", "bulk"].buckets())["+Inf"] == 500
    assert found.settled == {("inbox", "bulk", "sent"): 500, ("inbox", "bulk", "suppressed"): 2}


def test_plans_and_deliveries_are_counted_by_what_they_came_to() -> None:
    found = meter()
    seen = StateChange(1, "ana", "seen", (), BEGIN_MS, delivered=((b"d" * 20, "critical"),))
    sent = Settled(key(250) + bytes(4), "bulk", "email", "sent", "", BEGIN_MS)
    late = Settled(key(250) + bytes(4), "bulk", "email", "deferred", "", BEGIN_MS)
    found.ledger(
        [
            batch(
                "plans.critical",
                plan(Verdict.SEND, Verdict.SUPPRESS, Verdict.DEFER),
                plan(Verdict.EXPIRE),
                plan(outcome=Outcome.POISON),
            ),
            batch("inbox.critical", item(1), item(1)),
            batch("inbox.states", seen),
            batch("outcomes", sent, late),
        ]
    )
    assert found.plans == {("critical", "routed"): 2, ("critical", "poison"): 1}
    assert found.settled == {
        ("inbox", "critical", "suppressed"): 1,
        ("inbox", "critical", "expired"): 1,
        ("inbox", "critical", "sent"): 2,
        ("inbox", "critical", "delivered"): 1,
        ("email", "bulk", "sent"): 1,
    }
    assert found.seconds["email", "bulk"].sum == 0.25


def number_of(family: Family) -> list[tuple[Labels, float]]:
    return [(family.labels, 7.0)]


def shape_of(family: Family) -> list[tuple[Labels, Shape]]:
    histogram = Histogram()
    histogram.add(0.2, 7)
    return [(family.labels, (histogram.buckets(), histogram.sum))]


def test_every_metric_is_documented_and_shown() -> None:
    registry = CollectorRegistry()
    Measures(registry, (), lambda: 0.0)
    numbers = {family.name: partial(number_of, family) for family in FAMILIES}
    shapes = {family.name: partial(shape_of, family) for family in FAMILIES}
    registry.register(EngineCollector(numbers, shapes))
    page = metrics_page()
    shown = {metric.name: metric for metric in registry.collect()}
    assert len(shown) == len(FAMILIES) + 2
    for metric in shown.values():
        name = metric.name + ("_total" if metric.type == "counter" else "")
        assert f"| `{name}` | {metric.type} |" in page
    assert f"| `{AUDIT_FAMILY.name}` |" in page
    assert all(shown[family.name].samples for family in FAMILIES)
