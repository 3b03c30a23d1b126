"""No position is committed while one below it is in hand."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.window import Window


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=60),
    st.randoms(use_true_random=False),
    st.integers(0, 1_000),
)
def test_everything_below_the_base_is_finished(gaps: list[int], chance: Random, first: int) -> None:
    window = Window(first)
    positions = [first + sum(gaps[:n]) for n in range(len(gaps))]
    for position in positions:
        window.begin(position, mark=position * 10)
    order = list(positions)
    chance.shuffle(order)
    left = set(positions)
    for position in order:
        assert window.base == min(left)
        assert window.lowest_mark(-1) == min(left) * 10
        window.finish(position)
        left.discard(position)
        assert all(each >= window.base for each in left)
        assert len(window) == len(left)
    assert window.base == positions[-1] + 1
    assert window.lowest_mark(-1) == -1


def test_finishing_again_changes_nothing() -> None:
    window = Window(5)
    window.begin(5, 0)
    window.begin(6, 0)
    window.finish(5)
    window.finish(5)
    assert (window.base, len(window)) == (6, 1)
