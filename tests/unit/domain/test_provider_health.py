"""A provider that is slow or fails is given less, step by step, and all again when it is well."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.provider_health import HealthPolicy, Move, ProviderHealth

POLICY = HealthPolicy()
MINUTE_MS = 60_000
BEGIN_MS = 1_900_000_000_000


def lived(
    health: ProviderHealth, minutes: range, tell: Callable[[int], None]
) -> list[tuple[int, Move]]:
    """Let minutes pass, with calls in each, and return what moved when."""
    found = []
    for minute in minutes:
        now_ms = BEGIN_MS + minute * MINUTE_MS
        tell(now_ms)
        move = health.move(now_ms)
        if move is not None:
            found.append((minute, move))
    return found


def test_it_moves_in_small_steps_and_never_to_nothing() -> None:
    health = ProviderHealth(POLICY)
    moves = lived(health, range(30), lambda now: health.tell(now, calls=10, failed=4))
    shares = [move.after for _, move in moves]
    assert shares[:3] == [0.75, 0.5625, 0.4219]
    assert shares[-1] == POLICY.share_min
    # The first minutes have too few calls to tell.
    assert moves[0][0] >= 1
    assert all(move.failed * 10 == move.calls * 4 for _, move in moves)


def test_it_drifts_back_when_it_is_well_and_then_nobody_looks_any_more() -> None:
    health = ProviderHealth(POLICY)
    lived(health, range(8), lambda now: health.tell(now, calls=10, failed=10))
    low = health.share
    assert low < 0.3
    moves = lived(health, range(8, 60), lambda now: health.tell(now, calls=10))
    shares = [move.after for _, move in moves if move.after > low]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert health.next_ms() is None


def test_slow_ones_count_like_failed_ones() -> None:
    health = ProviderHealth(POLICY)
    lived(health, range(5), lambda now: health.tell(now, calls=20, slow=3))
    assert health.share < 1.0


def test_fewer_than_one_in_seven_move_nothing() -> None:
    health = ProviderHealth(POLICY)
    moves = lived(health, range(40), lambda now: health.tell(now, calls=100, slow=7, failed=7))
    assert moves == []


def test_a_few_calls_say_nothing() -> None:
    health = ProviderHealth(POLICY)
    assert lived(health, range(0, 60, 2), lambda now: health.tell(now, failed=1)) == []
    assert health.share == 1.0


def test_nobody_looks_while_all_is_well() -> None:
    health = ProviderHealth(POLICY)
    health.tell(BEGIN_MS, calls=1_000)
    assert health.next_ms() is None
    assert health.move(BEGIN_MS + MINUTE_MS) is None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)), max_size=60))
def test_a_share_is_always_a_part_and_a_step_is_small(calls: list[tuple[int, int, int]]) -> None:
    health = ProviderHealth(POLICY)
    for minute, (good, slow, failed) in enumerate(calls):
        now_ms = BEGIN_MS + minute * MINUTE_MS
        if good + slow + failed:
            health.tell(now_ms, calls=good + slow + failed, slow=slow, failed=failed)
        move = health.move(now_ms)
        assert POLICY.share_min <= health.share <= 1.0
        if move is not None:
            assert move.before * POLICY.down - 0.001 <= move.after <= move.before + POLICY.up


def test_it_goes_on_from_where_an_earlier_process_was() -> None:
    health = ProviderHealth(POLICY)
    health.resume(0.4, BEGIN_MS)
    assert health.next_ms() == BEGIN_MS + POLICY.step_ms
    moved = health.move(BEGIN_MS + MINUTE_MS)
    assert moved is not None
    assert (moved.before, moved.after) == (0.4, 0.5)
