"""When a service is left alone, when it is tried again, and how gently it is used then."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.breaker import Breaker, BreakerPolicy, BreakerState

POLICY = BreakerPolicy(
    failures=3, window_ms=10_000, open_ms=1_000, open_max_ms=4_000, slow_start_per_s=2
)
T = 1_900_000_000_000


def tell(breaker: Breaker, *outcomes: bool, at_ms: int = T) -> None:
    for good in outcomes:
        breaker.tell(failed=not good, generation=breaker.generation, now_ms=at_ms)


def opened() -> Breaker:
    breaker = Breaker(POLICY)
    tell(breaker, False, False, False)
    return breaker


def test_it_opens_after_so_many_failures_that_are_half_of_all() -> None:
    breaker = Breaker(POLICY)
    tell(breaker, True, True, True, True, False, False, False)
    assert breaker.state(T) is BreakerState.CLOSED
    tell(breaker, False)
    assert breaker.state(T) is BreakerState.OPEN
    assert breaker.admit(5, T) == 0
    assert breaker.ready_ms(T) == T + 1_000


def test_failures_of_an_earlier_window_are_forgotten() -> None:
    breaker = Breaker(POLICY)
    tell(breaker, False, False)
    tell(breaker, False, at_ms=T + 10_000)
    assert breaker.state(T + 10_000) is BreakerState.CLOSED


def test_one_message_probes_and_a_failure_doubles_the_wait() -> None:
    breaker = opened()
    waits = []
    now_ms = T
    for _ in range(4):
        waits.append(breaker.ready_ms(now_ms) - now_ms)
        now_ms = breaker.ready_ms(now_ms)
        assert breaker.state(now_ms) is BreakerState.HALF_OPEN
        assert breaker.admit(9, now_ms) == 1
        assert breaker.admit(9, now_ms) == 0
        assert breaker.waits_for_probe()
        tell(breaker, False, at_ms=now_ms)
    assert waits == [1_000, 2_000, 4_000, 4_000]


def test_a_probe_that_is_not_made_frees_its_place() -> None:
    breaker = opened()
    assert breaker.admit(1, T + 1_000) == 1
    breaker.give_back(1, breaker.generation)
    assert breaker.admit(1, T + 1_000) == 1


def test_calls_that_were_begun_before_it_opened_say_nothing_about_the_probe() -> None:
    breaker = Breaker(POLICY)
    before = breaker.generation
    tell(breaker, False, False, False)
    assert breaker.admit(1, T + 1_000) == 1
    assert not breaker.tell(failed=False, generation=before, now_ms=T + 1_000)
    assert breaker.state(T + 1_000) is BreakerState.HALF_OPEN


def test_after_a_good_probe_it_starts_slowly_and_then_lets_all_through() -> None:
    breaker = opened()
    assert breaker.admit(1, T + 1_000) == 1
    tell(breaker, True, at_ms=T + 1_000)
    begun_ms = T + 1_000
    assert breaker.admit(100, begun_ms) == 2
    assert breaker.admit(100, begun_ms) == 0
    assert breaker.ready_ms(begun_ms) > begun_ms
    assert breaker.admit(100, begun_ms + 1_000) == 2
    breaker.admit(100, begun_ms + 12_000)
    assert breaker.admit(100, begun_ms + 13_000) == 4
    assert breaker.admit(10**6, begun_ms + 100_000) == 10**6
    assert breaker.pristine


@given(
    st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 50), st.booleans()), max_size=60),
)
def test_nothing_ever_goes_while_it_is_open_and_it_never_stays_shut(
    steps: list[tuple[int, int, bool]],
) -> None:
    breaker = Breaker(POLICY)
    now_ms = T
    for passed_ms, wanted, good in steps:
        now_ms += passed_ms
        state = breaker.state(now_ms)
        admitted = breaker.admit(wanted, now_ms)
        if state is BreakerState.OPEN:
            assert admitted == 0
        if state is BreakerState.HALF_OPEN:
            assert admitted <= 1
        for _ in range(admitted):
            tell(breaker, good, at_ms=now_ms)
    now_ms = breaker.ready_ms(now_ms)
    assert breaker.admit(1, now_ms) == 1


def test_a_clock_that_is_set_back_keeps_nobody_waiting() -> None:
    hour_ms = 3_600_000
    breaker = opened()
    earlier = T - hour_ms
    assert breaker.state(earlier) is BreakerState.HALF_OPEN
    assert breaker.ready_ms(earlier) == earlier
    assert breaker.admit(1, earlier) == 1
    tell(breaker, True, at_ms=earlier)
    # It starts slowly by the clock that there is, and that may be set back once more.
    earlier -= hour_ms
    assert breaker.admit(100, earlier) == 2
    for step in range(1, 11):
        breaker.admit(100, earlier + step * 10_000)
    assert breaker.admit(100, earlier + 100_000) == 100


def test_a_window_ends_when_the_clock_is_set_back() -> None:
    breaker = Breaker(POLICY)
    tell(breaker, False, False)
    tell(breaker, False, at_ms=T - 3_600_000)
    assert breaker.state(T - 3_600_000) is BreakerState.CLOSED


def test_what_was_exchanged_is_tried_at_once_and_answers_for_itself() -> None:
    breaker = opened()
    before = breaker.generation
    breaker.renew(T)
    assert breaker.admit(9, T) == 1
    assert not breaker.tell(failed=True, generation=before, now_ms=T)
    assert breaker.waits_for_probe()
    tell(breaker, True)
    assert breaker.state(T) is BreakerState.CLOSED


def test_a_probe_of_what_was_there_before_is_waited_for_no_more() -> None:
    breaker = opened()
    for _ in range(3):
        now_ms = breaker.ready_ms(T)
        assert breaker.admit(1, now_ms) == 1
        tell(breaker, False, at_ms=now_ms)
    at_ms = breaker.ready_ms(T)
    assert breaker.admit(1, at_ms) == 1
    breaker.renew(at_ms)
    assert breaker.admit(1, at_ms) == 1
    tell(breaker, False, at_ms=at_ms)
    assert breaker.ready_ms(at_ms) == at_ms + 1_000


def test_failures_of_what_was_there_before_do_not_count() -> None:
    breaker = Breaker(POLICY)
    tell(breaker, False, False)
    before = breaker.generation
    breaker.renew(T)
    breaker.tell(failed=True, generation=before, now_ms=T, at_once=True)
    tell(breaker, False)
    assert breaker.state(T) is BreakerState.CLOSED
