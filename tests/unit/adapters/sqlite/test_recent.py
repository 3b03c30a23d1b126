"""What was used lately."""

from __future__ import annotations

from tocsin.adapters.sqlite.recent import Recent


def test_of_more_than_fit_none_is_found_as_it_was_before() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("c", 1)
    recent.fill({"a": 2, "b": 2, "c": 2})
    assert recent.get("a") == 2
    assert recent.get("c") in {None, 2}


def test_at_least_the_last_half_is_there() -> None:
    recent: Recent[int, int] = Recent(8)
    for key in range(100):
        recent.put(key, key)
    assert [recent.get(key) for key in range(96, 100)] == [96, 97, 98, 99]
    assert len(recent) <= 8


def test_many_are_found_at_once_and_count_as_used() -> None:
    recent: Recent[str, int] = Recent(4)
    for key, value in (("a", 1), ("b", 2), ("c", 3)):
        recent.put(key, value)
    assert recent.find(["a", "c", "x", "a"]) == {"a": 1, "c": 3}
    recent.put("d", 4)
    assert recent.find(["a", "b", "c"]) == {"a": 1, "c": 3}


def test_what_was_dropped_is_not_among_the_found() -> None:
    recent: Recent[str, int] = Recent(4)
    recent.put("a", 1)
    recent.drop("a")
    assert recent.find(["a"]) == {}
