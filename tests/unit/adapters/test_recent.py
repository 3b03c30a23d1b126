"""The bounded map."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.adapters.sqlite.recent import Recent

Call = tuple[str, int]

calls = st.lists(
    st.tuples(st.sampled_from(["get", "put", "fill", "drop"]), st.integers(0, 12)), max_size=200
)


@given(size=st.integers(1, 9), calls=calls)
def test_it_is_silent_or_right(size: int, calls: list[Call]) -> None:
    recent: Recent[int, int] = Recent(size)
    truth: dict[int, int] = {}
    for value, (call, key) in enumerate(calls, 1):
        if call == "put":
            recent.put(key, value)
            truth[key] = value
        elif call == "fill":
            fresh = {k: value for k in range(key, key + 3) if k not in truth}
            recent.fill(fresh)
            truth |= fresh
        elif call == "drop":
            recent.drop(key)
            truth.pop(key, None)
        else:
            assert recent.get(key) in (None, truth.get(key))
        assert len(recent) <= max(size, 2)


def test_what_is_used_stays() -> None:
    recent: Recent[int, str] = Recent(4)
    recent.put(0, "used")
    for n in range(1, 100):
        recent.put(n, "passing by")
        assert recent.get(0) == "used"
