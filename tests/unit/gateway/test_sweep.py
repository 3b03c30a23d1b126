"""The structures behind the one timer of all sockets."""

from __future__ import annotations

import pytest

from tocsin.gateway.sweep import Deadlines, Wheel


def test_a_wheel_visits_every_item_once_per_turn() -> None:
    wheel: Wheel[int] = Wheel(4)
    for item in range(10):
        wheel.add(item)
    visits = [sorted(wheel.step()) for _ in range(4)]
    assert sorted(item for visit in visits for item in visit) == list(range(10))
    assert [sorted(wheel.step()) for _ in range(4)] == visits


def test_a_wheel_spreads_what_comes_at_once() -> None:
    wheel: Wheel[int] = Wheel(4)
    for item in range(100):
        wheel.add(item)
    assert [len(wheel.step()) for _ in range(4)] == [25, 25, 25, 25]


def test_a_wheel_forgets_what_is_removed() -> None:
    wheel: Wheel[str] = Wheel(2)
    slot = wheel.add("gone")
    wheel.add("there")
    wheel.remove("gone", slot)
    assert len(wheel) == 1
    assert [item for _ in range(2) for item in wheel.step()] == ["there"]
    with pytest.raises(KeyError):
        wheel.remove("gone", slot)


def test_a_wheel_may_lose_items_while_they_are_visited() -> None:
    wheel: Wheel[int] = Wheel(1)
    slots = {item: wheel.add(item) for item in range(3)}
    for item in wheel.step():
        wheel.remove(item, slots[item])
    assert len(wheel) == 0


def test_deadlines_expire_in_order_and_once() -> None:
    deadlines: Deadlines[str] = Deadlines(delay_s=5)
    deadlines.add("a", now=0)
    deadlines.add("b", now=1)
    deadlines.add("c", now=1.5)
    deadlines.discard("b")
    assert deadlines.expire(4.9) == []
    assert deadlines.expire(5) == ["a"]
    assert deadlines.expire(7) == ["c"]
    assert deadlines.expire(100) == []


def test_a_second_start_does_not_prolong() -> None:
    deadlines: Deadlines[str] = Deadlines(delay_s=5)
    deadlines.add("a", now=0)
    deadlines.add("a", now=4)
    deadlines.discard("unknown")
    assert deadlines.expire(5) == ["a"]
