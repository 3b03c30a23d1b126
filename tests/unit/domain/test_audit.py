"""The audit's sums, on records made by hand."""

from __future__ import annotations

import msgspec
import pytest
from pyroaring import BitMap

from tocsin.domain.audit import (
    Audit,
    DeliveryLine,
    EventLine,
    Missing,
    PartitionTally,
    Planned,
    Window,
    add_lines,
    delivery_line,
    summary,
)
from tocsin.domain.decision import Decision, PlannedNotification
from tocsin.domain.ids import event_key
from tocsin.domain.reasons import Outcome, Reason, Verdict
from tocsin.domain.records import Broadcast, Event, Plan, PlannedRun, Poison

BEGIN_MS = 1_900_000_000_000
WINDOW = Window(BEGIN_MS, BEGIN_MS + 100_000, BEGIN_MS + 40_000)
BULK = ("bulk", "inbox")
SEND = Decision(0, "inbox", 0, Verdict.SEND, Reason.SEND)
HELD = Decision(1, "push", 0, Verdict.DEFER, Reason.IN_QUIET_HOURS, until_ms=BEGIN_MS + 500)


def key(n: int, at_ms: int = BEGIN_MS) -> bytes:
    return event_key(at_ms, n.to_bytes(10, "big"))


def event(n: int, at_ms: int = BEGIN_MS) -> Event:
    return Event(key(n, at_ms), at_ms, "p", "s", str(n), "t", bytes(16))


def plan(
    n: int,
    position: int,
    outcome: Outcome = Outcome.ROUTED,
    decisions: tuple[Decision, ...] = (SEND,),
    *,
    at_ms: int = BEGIN_MS,
) -> Plan:
    note = PlannedNotification(7, "ana", 1, decisions)
    runs = (PlannedRun("w", 1, 0, (note,)),) if outcome is Outcome.ROUTED else ()
    event = key(n, at_ms)
    return Plan(
        1, position, position - 1, event, event, at_ms, outcome, runs, event_position=position
    )


def tally(*, cut: int = 100) -> tuple[PartitionTally, Planned]:
    planned = Planned(WINDOW)
    return PartitionTally("bulk", 0, WINDOW, planned, cut), planned


def test_each_outcome_has_its_place() -> None:
    one, planned = tally()
    one.take_events(0, [event(n) for n in range(6)])
    outcomes = [
        Outcome.ROUTED,
        Outcome.NO_WORKFLOW,
        Outcome.EMPTY_AUDIENCE,
        Outcome.POISON,
        Outcome.ALIAS,
    ]
    one.take_plans([plan(n, n, outcome) for n, outcome in enumerate(outcomes)])

    line = one.line(committed=5, repeated=0)

    assert line == EventLine(accepted=6, routed=1, unrouted=3, aliases=1, waiting=1)
    assert line.difference == 0
    assert planned.total(BULK, 0, 100) == 1


def test_a_plan_read_twice_counts_once() -> None:
    one, planned = tally()
    one.take_events(0, [event(0)])
    one.take_plans([plan(0, 0), plan(0, 0)])

    assert one.line(1, 0).routed == 1
    assert planned.total(BULK, 0, 100) == 1


def test_what_has_no_plan_and_what_no_plan_should_name() -> None:
    one, _ = tally()
    one.take_events(0, [event(0), event(1), event(2)])
    one.take_plans([plan(0, 0), plan(9, 9)])

    assert one.unplanned(committed=2) == [1]
    assert one.unknown() == [9]


def test_only_the_window_and_only_before_the_cut() -> None:
    one, planned = tally(cut=2)
    outside_ms = WINDOW.until_ms
    one.take_events(0, [event(0, BEGIN_MS - 1), event(1), event(2, outside_ms)])
    one.take_plans([plan(0, 0, at_ms=BEGIN_MS - 1), plan(1, 1), plan(3, 3)])

    assert one.line(5, 0) == EventLine(accepted=1, routed=1)
    assert one.unknown() == []
    assert planned.total(BULK, 0, 100) == 1


def test_what_cannot_be_read_is_answered_by_its_place() -> None:
    one, _ = tally()
    one.take_events(4, [Poison(b"?", "unreadable")])
    answer = Plan(1, 4, 3, b"", b"", BEGIN_MS, Outcome.POISON, event_position=4)
    one.take_plans([answer])

    assert one.line(5, 0) == EventLine(accepted=1, unrouted=1)


def test_a_release_plans_nothing_twice() -> None:
    one, planned = tally()
    one.take_events(0, [event(0)])
    first = plan(0, 0, decisions=(SEND, HELD))
    successor = Decision(1, "push", 2, Verdict.SEND, Reason.SEND)
    gone = Decision(1, "push", 1, Verdict.SUPPRESS, Reason.ADDRESS_DEAD)
    released = msgspec.structs.replace(
        plan(0, 0, decisions=(gone, successor)),
        position=1,
        input_key=b"t" * 16,
        released=b"t" * 16,
    )
    one.take_plans([first, released])

    assert one.line(2, 0) == EventLine(accepted=1, routed=1)
    assert planned.total(("bulk", "push"), 0, 100) == 2
    ((_, deferred),) = planned.deferred.values()
    assert deferred.until_ms == BEGIN_MS + 500


def chunk(block: int) -> Broadcast:
    by_reason = {
        "send": BitMap([1, 2]).serialize(),
        "opted_out": BitMap([3]).serialize(),
    }
    return Broadcast(
        b"f" * 16, key(0), "w", 1, 0, 0, "inbox", "c", "bulk", block, BEGIN_MS, by_reason, b"",
        ("bulk", 0, 0),
    )  # fmt: skip


def test_a_chunk_counts_everyone_it_names_and_counts_once() -> None:
    planned = Planned(WINDOW)
    for each in (chunk(0), chunk(0), chunk(1)):
        planned.take_chunk(each)

    assert planned.total(BULK, 0, 100) == 6


@pytest.mark.parametrize(("first", "end", "expected"), [(0, 1, 1), (1, 2, 2), (0, 2, 3), (2, 9, 0)])
def test_deliveries_are_counted_by_second(first: int, end: int, expected: int) -> None:
    planned = Planned(WINDOW)
    planned.add("bulk", "inbox", BEGIN_MS + 999, 1)
    planned.add("bulk", "inbox", BEGIN_MS + 1_000, 2)

    assert planned.total(BULK, first, end) == expected
    assert WINDOW.part(0, 1) == (BEGIN_MS, BEGIN_MS + 1_000)


def test_a_long_window_has_no_more_buckets_than_a_short_one() -> None:
    month = Window(BEGIN_MS, BEGIN_MS + 30 * 86_400_000, BEGIN_MS)

    assert month.bucket(month.until_ms - 1) < 3_600


def test_lines_add_up() -> None:
    settled = {("bulk", "inbox", "sent"): 3, ("bulk", "inbox", "failed"): 1, ("x", "y", "sent"): 9}

    line = delivery_line(BULK, 6, settled, pending=1)

    assert line == DeliveryLine(planned=6, sent=3, failed=1, pending=1)
    assert line.difference == 1
    assert add_lines([EventLine(accepted=1), EventLine(accepted=2, routed=2)]) == EventLine(
        accepted=3, routed=2
    )


@pytest.mark.parametrize(
    ("violations", "expected"),
    [
        (0, "Balanced: 3 events and 2 deliveries are accounted for; 1 delivery is pending."),
        (
            2,
            "Not balanced: 2 of 3 events and 2 deliveries are not accounted for; 1 delivery is pending.",
        ),
    ],
)
def test_the_summary_is_one_sentence(violations: int, expected: str) -> None:
    audit = Audit(
        window=WINDOW,
        events={"bulk": EventLine(accepted=3, routed=3)},
        deliveries={"bulk": {"inbox": DeliveryLine(planned=2, sent=1, pending=1)}},
        violations=violations,
        settling=0,
        missing=(Missing("event", "evt_1", ""),),
    )

    assert summary(audit) == expected
    assert audit.balanced is (violations == 0)


def test_one_of_a_kind_is_said_in_the_singular() -> None:
    audit = Audit(
        window=WINDOW,
        events={"bulk": EventLine(accepted=1, waiting=1)},
        deliveries={"bulk": {"inbox": DeliveryLine(planned=1, sent=1)}},
        violations=0,
        settling=1,
        resting=1,
        missing=(),
    )

    assert summary(audit) == (
        "Balanced: 1 event and 1 delivery are accounted for; 1 event waits to be routed;"
        " 1 run is at a delay or a wait; 1 is younger than a minute and settling."
    )


def test_an_empty_window_is_said_to_be_empty() -> None:
    audit = Audit(window=WINDOW, events={}, deliveries={}, violations=0, settling=0, missing=())

    assert summary(audit) == "Balanced: nothing was accepted and nothing planned in this time."
