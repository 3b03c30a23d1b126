"""States, retries, limits and marks: the arithmetic around a delivery."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.delivery import MOVES, OPEN, State, allowed, mermaid, settled
from tocsin.domain.limits import take
from tocsin.domain.marks import Sight, sight
from tocsin.domain.retry import RetryPolicy, next_attempt_ms


@pytest.mark.parametrize(
    ("before", "after", "may"),
    [
        (State.PENDING, State.SENDING, True),
        (State.PENDING, State.SENT, True),
        (State.SENDING, State.SENT, True),
        (State.SENDING, State.CANCELLED, False),
        (State.SENT, State.DELIVERED, True),
        (State.SENT, State.FAILED, True),
        (State.SENT, State.PENDING, False),
        (State.DELIVERED, State.FAILED, True),
        (State.FAILED, State.PENDING, False),
        (State.DEFERRED, State.EXPIRED, True),
        (State.DEFERRED, State.SENT, False),
        (State.SUPPRESSED, State.SENT, False),
    ],
)
def test_a_delivery_moves_by_the_table(before: State, after: State, may: bool) -> None:
    assert allowed(before, after) is may


@given(st.lists(st.sampled_from(State), max_size=30))
def test_what_is_settled_never_opens_again(wishes: list[State]) -> None:
    state = State.PENDING
    for wish in wishes:
        if not allowed(state, wish):
            continue
        assert not (settled(state) and not settled(wish))
        state = wish


def test_every_state_is_in_the_table_and_can_be_reached() -> None:
    reached = {State.PENDING}
    while more := {after for before in reached for after in MOVES[before]} - reached:
        reached |= more
    assert reached == set(State) == set(MOVES)
    assert {state for state in State if not settled(state)} == OPEN


def test_the_diagram_shows_the_table() -> None:
    lines = mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> pending"]
    assert "    sent --> delivered" in lines
    assert "    failed --> [*]" in lines
    assert sum(" --> " in line and "[*]" not in line for line in lines) == sum(
        map(len, MOVES.values())
    )


@pytest.mark.parametrize(
    ("attempts", "fraction", "retry_after_ms", "expires_ms", "due_ms"),
    [
        (1, 0.0, None, None, 10_000),
        (1, 0.5, None, None, 10_500),
        (3, 0.5, None, None, 12_000),
        (7, 0.5, None, None, 40_000),
        (8, 0.5, None, None, None),
        (1, 0.5, 5_000, None, 15_500),
        (7, 0.5, 90_000_000, None, 90_040_000),
        (1, 0.5, -5, None, 10_500),
        (3, 0.5, None, 12_001, 12_000),
        (3, 0.5, None, 12_000, None),
    ],
)
def test_the_next_attempt_is_due(
    attempts: int,
    fraction: float,
    retry_after_ms: int | None,
    expires_ms: int | None,
    due_ms: int | None,
) -> None:
    due = next_attempt_ms(
        RetryPolicy(base_ms=1_000, cap_ms=60_000, attempts_max=8),
        attempts=attempts,
        now_ms=10_000,
        fraction=fraction,
        retry_after_ms=retry_after_ms,
        expires_ms=expires_ms,
    )
    assert due == due_ms


@given(
    st.integers(1, 10**6),
    st.floats(0, 1, exclude_max=True),
    st.none() | st.integers(0, 10**9),
    st.none() | st.integers(0, 10**12),
)
def test_an_attempt_is_never_early_nor_after_the_expiry(
    attempts: int, fraction: float, retry_after_ms: int | None, expires_ms: int | None
) -> None:
    policy = RetryPolicy(attempts_max=10**7)
    due = next_attempt_ms(
        policy,
        attempts=attempts,
        now_ms=0,
        fraction=fraction,
        retry_after_ms=retry_after_ms,
        expires_ms=expires_ms,
    )
    if due is None:
        assert expires_ms is not None
        return
    asked_ms = retry_after_ms or 0
    assert asked_ms <= due <= asked_ms + policy.cap_ms
    assert expires_ms is None or due < expires_ms


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    state, waits = None, []
    for _ in range(4):
        taken = take(state, 100.0, 1, rate_per_s=10, burst=3)
        state = taken.state
        waits.append(round(taken.wait_s, 6))
    assert waits == [0.0, 0.0, 0.0, 0.1]
    assert take(state, 100.1, 1, rate_per_s=10, burst=3).wait_s == 0.0
    # Rest does not save up more than the burst.
    assert take(state, 10_000.0, 4, rate_per_s=10, burst=3).state == pytest.approx(10_000.4)


def test_a_batch_above_the_burst_passes_at_the_same_rate() -> None:
    first = take(None, 0.0, 100, rate_per_s=10, burst=3)
    assert first.wait_s == 0.0
    assert take(first.state, 0.0, 1, rate_per_s=10, burst=3).wait_s == pytest.approx(9.8)


@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 5)), max_size=60),
    st.floats(0.5, 100),
    st.integers(5, 50),
)
def test_no_more_than_burst_and_rate_passes(
    calls: list[tuple[float, int]], rate_per_s: float, burst: int
) -> None:
    now_s, passed = 0.0, 0
    state: float | None = None
    for pause_s, tokens in calls:
        now_s += pause_s
        taken = take(state, now_s, tokens, rate_per_s=rate_per_s, burst=burst)
        if taken.wait_s == 0.0:
            state = taken.state
            passed += tokens
        else:
            # Who waits as long as was said gets them.
            later = take(state, now_s + taken.wait_s, tokens, rate_per_s=rate_per_s, burst=burst)
            assert later.wait_s == 0.0
        assert passed <= burst + rate_per_s * now_s + 1e-3


@pytest.mark.parametrize(
    ("mark", "position", "previous", "seen"),
    [
        (-1, 0, -1, Sight.TAKE),
        (4, 5, 4, Sight.TAKE),
        (4, 9, 2, Sight.TAKE),
        (4, 4, 3, Sight.REPEAT),
        (4, 2, 1, Sight.REPEAT),
        (4, 7, 6, Sight.GAP),
    ],
)
def test_a_plan_is_taken_passed_over_or_a_repeat(
    mark: int, position: int, previous: int, seen: Sight
) -> None:
    assert sight(mark, position, previous) is seen


@given(
    st.lists(st.tuples(st.integers(1, 6), st.sets(st.integers(0, 5)), st.booleans()), max_size=8)
)
def test_a_writer_that_fails_loses_nothing_and_doubles_nothing(
    lives: list[tuple[int, set[int], bool]],
) -> None:
    """
    A route that dies may have lost any of what it wrote since its last commit.

    The next one begins at the committed position; the last one here lives to the end. Whatever
    arrived, the reader takes every input once and in order.
    """
    inputs, committed = 12, 0
    log: list[tuple[int, int]] = []
    for length, lost, commits in [*lives, (inputs, set[int](), True)]:
        written = range(committed, min(committed + length, inputs))
        whole = commits or length == inputs
        log += [
            (position, position - 1)
            for offset, position in enumerate(written)
            if whole or offset not in lost
        ]
        committed = written.stop if whole else committed
    mark, taken = -1, []
    for position, previous in log:
        if sight(mark, position, previous) is Sight.TAKE:
            taken.append(position)
            mark = position
    assert taken == list(range(inputs))
