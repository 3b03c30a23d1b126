"""When another attempt is made, and which attempts count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.retry import DOWN_CAP_MS, RetryPolicy, costs, ill, next_attempt_ms
from tocsin.ports.outcomes import ProviderReason

DAY_MS = 86_400_000
POLICY = RetryPolicy()


@pytest.mark.parametrize("reason", [*ProviderReason, "paused"])
def test_what_says_nothing_about_the_message_costs_nothing_when_it_is_known(reason: str) -> None:
    free = {"unreachable", "overloaded", "throttled", "our_fault", "paused"}
    assert costs(reason, known=True) == (reason not in free)
    assert costs(reason, known=False)


def test_what_costs_nothing_is_tried_until_it_expires_however_often() -> None:
    due = next_attempt_ms(
        POLICY,
        attempts=10_000,
        spent=0,
        now_ms=0,
        fraction=0.999,
        expires_ms=DAY_MS,
        reason="unreachable",
    )
    assert due is not None
    assert due < DOWN_CAP_MS


def test_who_has_none_left_may_still_hear_that_it_cost_nothing() -> None:
    def due_ms(reason: str, *, known: bool) -> int | None:
        return next_attempt_ms(
            POLICY,
            attempts=13,
            spent=12,
            now_ms=0,
            fraction=0.5,
            expires_ms=DAY_MS,
            reason=reason,
            known=known,
        )

    assert due_ms("throttled", known=True) is not None
    assert due_ms("timed_out", known=False) is None


@given(st.floats(0, 1, exclude_max=True), st.integers(2, 30))
def test_while_nobody_knows_the_attempts_reach_far_into_the_time_that_is_left(
    fraction: float, attempts_max: int
) -> None:
    policy = RetryPolicy(attempts_max=attempts_max, cap_ms=60_000)
    now_ms = made = 0
    while True:
        made += 1
        due = next_attempt_ms(
            policy,
            attempts=made,
            now_ms=now_ms,
            fraction=fraction,
            expires_ms=DAY_MS,
            reason="timed_out",
            known=False,
        )
        if due is None:
            break
        assert now_ms <= due < DAY_MS
        now_ms = due
    assert made == attempts_max
    assert now_ms >= DAY_MS / 4


def test_the_first_half_comes_soon() -> None:
    due = next_attempt_ms(
        POLICY,
        attempts=5,
        now_ms=0,
        fraction=0.999,
        expires_ms=DAY_MS,
        reason="timed_out",
        known=False,
    )
    assert due is not None
    assert due < 16_000


def test_a_refusal_of_one_recipient_is_not_stretched() -> None:
    due = next_attempt_ms(
        POLICY, attempts=11, now_ms=0, fraction=0.0, expires_ms=DAY_MS, reason="blocked"
    )
    assert due == 0
    assert not ill("blocked")
