"""How much a provider is given, and what is kept for the critical lane."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.token_bucket import TokenBucket

T = 1_900_000_000_000


def test_a_batch_gets_what_there_is_and_the_rest_in_time() -> None:
    bucket = TokenBucket(10, 5)
    assert bucket.take(8, T) == 5
    assert bucket.take(3, T) == 0
    assert bucket.ready_ms(T) == T + 100
    assert bucket.take(3, T + 100) == 1
    assert bucket.take(30, T + 60_000) == 5


def test_what_is_owed_comes_in_before_anybody_gets_any() -> None:
    bucket = TokenBucket(10, 5)
    bucket.owe(3)
    assert bucket.take(1, T) == 1
    bucket.owe(7)
    assert bucket.ready_ms(T) == T + 400
    assert bucket.take(1, T + 399) == 0
    assert bucket.take(9, T + 500) == 2


def test_the_reserve_is_for_those_who_may_draw_it() -> None:
    bucket = TokenBucket(10, 10, reserve=4)
    assert bucket.take(99, T) == 6
    assert bucket.take(99, T, reserved=True) == 4
    # What comes in fills the reserve first.
    assert bucket.take(99, T + 400) == 0
    assert bucket.ready_ms(T + 400) == T + 500
    assert bucket.take(99, T + 500) == 1


def test_what_was_not_used_is_there_again_and_never_more_than_the_burst() -> None:
    bucket = TokenBucket(10, 5)
    bucket.take(5, T)
    bucket.give_back(2)
    assert bucket.take(5, T) == 2
    bucket.give_back(99)
    assert bucket.take(99, T) == 5


def test_a_clock_that_was_set_back_gives_nothing_twice() -> None:
    bucket = TokenBucket(10, 5)
    bucket.take(5, T)
    assert bucket.take(5, T - 60_000) == 0


@given(
    rate=st.floats(0.1, 5_000),
    burst=st.integers(1, 100),
    reserve=st.floats(0, 1),
    steps=st.lists(st.tuples(st.integers(0, 2_000), st.integers(1, 200)), max_size=50),
)
def test_no_more_goes_than_burst_and_rate_allow_and_ready_means_ready(
    rate: float, burst: int, reserve: float, steps: list[tuple[int, int]]
) -> None:
    bucket = TokenBucket(rate, burst, min(burst * reserve, burst - 1))
    now_ms, given_ = T, 0
    for passed_ms, wanted in steps:
        now_ms += passed_ms
        given_ += bucket.take(wanted, now_ms)
        assert given_ <= burst + rate * (now_ms - T) / 1000 + 1e-3
    ready_ms = bucket.ready_ms(now_ms)
    assert bucket.take(1, ready_ms) == 1
