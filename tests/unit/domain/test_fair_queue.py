"""Turns between those who wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.fair_queue import FairQueue


def test_one_that_floods_delays_itself() -> None:
    queue: FairQueue[str] = FairQueue()
    for n in range(100):
        queue.put("flood", f"f{n}")
    queue.put("small", "s0")
    queue.put("small", "s1")
    assert queue.take(5) == ["f0", "s0", "f1", "s1", "f2"]
    assert len(queue) == 97


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.sampled_from("abc")),
            st.tuples(st.just("take"), st.integers(0, 7)),
        ),
        max_size=80,
    )
)
def test_nothing_is_lost_and_each_owner_keeps_its_order(steps: list[tuple[str, object]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    put: list[tuple[str, int]] = []
    taken: list[tuple[str, int]] = []
    for n, (what, value) in enumerate(steps):
        if what == "put":
            owner = str(value)
            queue.put(owner, (owner, n))
            put.append((owner, n))
        else:
            assert isinstance(value, int)
            got = queue.take(value)
            assert len(got) == min(value, len(put) - len(taken))
            taken += got
    taken += queue.take(len(put))
    assert sorted(taken) == sorted(put)
    for owner in "abc":
        assert [each for each in taken if each[0] == owner] == [e for e in put if e[0] == owner]


def test_a_newcomer_waits_for_one_round_of_the_others() -> None:
    queue: FairQueue[str] = FairQueue()
    for owner in ("a", "b", "c"):
        for n in range(50):
            queue.put(owner, f"{owner}{n}")
    queue.take(30)
    queue.put("d", "d0")
    assert "d0" in queue.take(4)
