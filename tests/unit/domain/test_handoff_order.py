"""Who waits behind whom, from records alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.attempts import Standing, history
from tocsin.domain.handoff_order import HandoffOrder
from tocsin.domain.ids import EventKey, delivery_key, notification_key
from tocsin.domain.records import Attempt, Settled

AT_MS = 1_000_000


def delivery(n: int, address: int = 1) -> bytes:
    return delivery_key(notification_key(EventKey(bytes([n]) * 16), 0, 7), 0, address)


def attempt(n: int, number: int = 1) -> Attempt:
    return Attempt(delivery(n), number, 1, "pager", "r", AT_MS, "chat", "bulk")


def settled(n: int, state: str, number: int = 1, reason: str = "", **more: object) -> Settled:
    return Settled(delivery(n), "bulk", "chat", state, reason, AT_MS, number, **more)  # type: ignore[arg-type]  # named by each test


def failing(patience_ms: int = 10_000) -> HandoffOrder:
    order = HandoffOrder(patience_ms)
    order.take(settled(1, "deferred", until_ms=AT_MS + 500), 40)
    return order


def park(order: HandoffOrder, n: int) -> int | None:
    until_ms = order.park_until(delivery(n), AT_MS)
    order.take(settled(n, "deferred", 0, "behind_another", until_ms=until_ms), 41)
    return until_ms


def test_followers_wait_one_after_the_other_behind_the_head() -> None:
    order = failing()
    assert order.park_until(delivery(1), AT_MS) is None
    assert order.park_until(delivery(9, address=2), AT_MS) is None
    assert [park(order, n) for n in (2, 3)] == [AT_MS + 501, AT_MS + 502]
    assert order.lowest_mark(99, AT_MS) == 40


def test_when_the_head_has_settled_the_parked_go_before_who_comes_later() -> None:
    order = failing()
    park(order, 2)
    order.take(settled(1, "sent", 2), 50)
    assert order.park_until(delivery(2), AT_MS) is None
    assert order.park_until(delivery(3), AT_MS) is not None
    order.take(attempt(2), 51)
    order.take(settled(2, "sent"), 52)
    assert order.park_until(delivery(3), AT_MS) is None
    assert order.lowest_mark(99, AT_MS) == 99


def test_nobody_waits_longer_than_the_lanes_patience() -> None:
    order = failing(patience_ms=300)
    assert order.park_until(delivery(2), AT_MS) == AT_MS + 300
    assert order.park_until(delivery(2), AT_MS + 300) is None
    assert order.lowest_mark(99, AT_MS + 300) == 99


def test_those_whose_patience_ends_together_come_back_in_their_order() -> None:
    order = failing(patience_ms=300)
    assert [park(order, n) for n in (2, 3, 4)] == [AT_MS + 300, AT_MS + 301, AT_MS + 302]


def test_who_passes_when_patience_has_ended_is_known_to_until_the_others_have_gone() -> None:
    order = failing(patience_ms=300)
    park(order, 2)
    later = AT_MS + 300
    assert not order.passed(delivery(2), AT_MS)
    assert order.lowest_mark(99, later) == 99
    assert [order.passed(delivery(n), later) for n in (1, 2, 3)] == [False, True, True]
    order.take(settled(1, "sent", 2), 50)
    assert [order.passed(delivery(n), later) for n in (2, 3)] == [False, True]
    order.take(attempt(2), 51)
    assert not order.passed(delivery(3), later)


def test_who_follows_one_that_stays_away_looks_for_it_a_few_times_only() -> None:
    order = failing(patience_ms=900_000)
    park(order, 2)
    # The clock was set back, so the head's own timer is an hour away.
    now_ms, looks = AT_MS + 501, 0
    while (until_ms := order.park_until(delivery(2), now_ms)) is not None:
        now_ms, looks = until_ms, looks + 1
    assert now_ms == AT_MS + 900_000
    assert looks < 25


def test_patience_begins_when_the_provider_may_be_called_again() -> None:
    order = HandoffOrder(300)
    reopens = AT_MS + 60_000
    order.take(settled(1, "deferred", 0, "provider_open", until_ms=reopens), 40)
    assert order.park_until(delivery(2), AT_MS + 1_000) == reopens + 1
    assert order.park_until(delivery(2), reopens + 300) is None


def test_a_receipt_that_settles_the_head_frees_its_line() -> None:
    order = failing()
    order.leave(delivery(1))
    assert order.park_until(delivery(2), AT_MS) is None


def test_whose_first_call_was_not_heard_of_keeps_its_place() -> None:
    order = failing()
    park(order, 2)
    park(order, 3)
    order.take(settled(1, "sent", 2), 50)
    order.take(attempt(2), 51)
    order.take(settled(2, "pending", reason="outcome_unknown", known=False), 52)
    assert order.park_until(delivery(2), AT_MS) is None
    assert order.park_until(delivery(3), AT_MS) is not None
    order.take(settled(2, "sent", 2), 53)
    assert order.park_until(delivery(3), AT_MS) is None


def test_who_was_called_after_a_head_that_a_receipt_had_settled_keeps_its_place() -> None:
    """Seed 51 of the power cuts: the next owner put it behind those that came after it."""
    order = failing()
    park(order, 2)
    park(order, 3)
    order.take(settled(1, "sent", 0, receipt=True), 42)
    order.take(attempt(2), 43)
    order.take(settled(2, "pending", reason="outcome_unknown", known=False), 44)
    assert order.park_until(delivery(2), AT_MS) is None
    assert order.park_until(delivery(3), AT_MS) is not None


def test_who_overtakes_when_patience_has_ended_is_no_head() -> None:
    order = failing(patience_ms=0)
    park(order, 2)
    order.take(attempt(2), 43)
    assert order.park_until(delivery(1), AT_MS - 1) is None


def test_who_waits_for_the_morning_holds_nobody_up() -> None:
    order = HandoffOrder(10_000)
    order.take(settled(1, "deferred", 0, "in_quiet_hours", until_ms=AT_MS + 500), 40)
    assert order.park_until(delivery(2), AT_MS) is None


def test_who_comes_again_or_anew_waits_behind_those_before_whoever_has_left() -> None:
    order = failing()
    for n in range(2, 9):
        park(order, n)
    for n in (2, 5, 6):
        order.leave(delivery(n))
    times = [order.park_until(delivery(n), AT_MS) for n in (3, 4, 7, 8, 9)]
    due = [each for each in times if each is not None]
    assert due[0] == AT_MS + 501
    assert len(due) == 5
    assert due == sorted(set(due))


@given(
    st.lists(st.tuples(st.sampled_from(["fail", "settle", "wait"]), st.integers(1, 5)), max_size=40)
)
def test_the_lowest_mark_is_that_of_the_oldest_line_in_which_somebody_waits(
    steps: list[tuple[str, int]],
) -> None:
    order, now_ms = HandoffOrder(300), AT_MS
    lines: dict[int, tuple[int, int]] = {}
    for position, (step, n) in enumerate(steps):
        if step == "wait":
            now_ms += 100
        elif step == "fail":
            reason = "provider_open" if n % 2 else ""
            until_ms = now_ms + 50 * n
            record = Settled(
                delivery(n, address=n),
                "bulk",
                "chat",
                "deferred",
                reason,
                now_ms,
                1,
                until_ms=until_ms,
            )
            order.take(record, position)
            begin_ms = until_ms if reason else now_ms
            mark, ends_ms = lines.get(n, (position, 0))
            if ends_ms <= now_ms:
                mark, ends_ms = position, begin_ms + 300
            elif reason:
                ends_ms = max(ends_ms, begin_ms + 300)
            lines[n] = mark, ends_ms
        else:
            order.leave(delivery(n, address=n))
            lines.pop(n, None)
        lines = {n: line for n, line in lines.items() if line[1] > now_ms}
        lowest = min((mark for mark, _ in lines.values()), default=99)
        assert order.lowest_mark(99, now_ms) == lowest


@pytest.mark.parametrize(
    ("records", "before", "standing"),
    [
        ([], 0, Standing.READY),
        ([attempt(1)], 0, Standing.UNKNOWN),
        ([attempt(1), settled(1, "deferred")], 1, Standing.READY),
        ([attempt(1), settled(1, "deferred")], 0, Standing.SUPERSEDED),
        ([attempt(1), settled(1, "pending"), attempt(1, 2)], 0, Standing.UNKNOWN),
        ([attempt(1), settled(1, "sent")], 0, Standing.ENDED),
        (
            [attempt(1), settled(1, "deferred"), settled(1, "sent", 0, receipt=True)],
            1,
            Standing.ENDED,
        ),
        ([attempt(1), settled(1, "opened", 0, receipt=True)], 0, Standing.UNKNOWN),
        ([settled(1, "deferred", 0)], 0, Standing.READY),
    ],
)
def test_the_next_step_follows_from_the_records(
    records: list[Attempt | Settled], before: int, standing: Standing
) -> None:
    found = history(records)
    assert found.standing(before) is standing
    assert history([*records, *records]).standing(before) is standing


def test_an_attempt_that_nobody_heard_of_is_used_up() -> None:
    lost = settled(1, "deferred", 1, reason="timed_out", known=False)
    assert history([attempt(1)]).used == 1
    assert history([attempt(1), lost]).used == 1
    assert history([attempt(1), lost, attempt(1, 2)]).used == 2
