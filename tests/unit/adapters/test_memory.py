"""Presence, feed and limits within one process."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tocsin.adapters.memory.feed import MemoryFeed
from tocsin.adapters.memory.limiter import MemoryLimiter
from tocsin.adapters.memory.presence import MemoryPresence
from tocsin.adapters.system import VirtualClock
from tocsin.ports.log import Batch


def batch(position: int) -> Batch:
    return Batch("inbox.bulk", 0, position, ())


def test_a_person_is_online_until_the_last_node_says_gone() -> None:
    presence = MemoryPresence()
    presence.arrived(1, "a")
    presence.arrived(1, "a")
    presence.arrived(1, "b")

    presence.left(1, "a")
    assert presence.online(1)
    presence.left(1, "b")
    assert not presence.online(1)
    presence.left(1, "b")
    assert not presence.online(2)


def test_batches_reach_all_who_are_subscribed_in_order() -> None:
    feed = MemoryFeed()
    first: list[Batch] = []
    second: list[Batch] = []
    stop = feed.subscribe(first.extend)
    feed.publish([batch(0)])
    feed.subscribe(second.extend)
    feed.publish([batch(1), batch(2)])
    stop()
    stop()
    feed.publish([batch(3)])

    assert [b.position for b in first] == [0, 1, 2]
    assert [b.position for b in second] == [1, 2, 3]


def test_who_unsubscribes_while_being_called_is_called_once() -> None:
    feed = MemoryFeed()
    calls: list[int] = []

    def once(batches: Sequence[Batch]) -> None:
        calls.append(len(batches))
        stop()

    stop = feed.subscribe(once)
    feed.publish([batch(0)])
    feed.publish([batch(1)])

    assert calls == [1]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(1_000)


def limiter(clock: VirtualClock, buckets_max: int = 100) -> MemoryLimiter:
    return MemoryLimiter(clock, buckets_max=buckets_max)


def test_a_burst_is_free_and_then_tokens_come_at_the_rate(clock: VirtualClock) -> None:
    limit = limiter(clock)
    assert [limit.take("b", 1, rate_per_s=10, burst=3) for _ in range(3)] == [0.0, 0.0, 0.0]

    wait_s = limit.take("b", 1, rate_per_s=10, burst=3)
    assert wait_s == pytest.approx(0.1)
    assert limit.take("b", 2, rate_per_s=10, burst=3) == pytest.approx(0.2)
    clock.advance(clock.now_ms() + 100)
    assert limit.take("b", 1, rate_per_s=10, burst=3) == 0.0
    assert limit.take("b", 1, rate_per_s=10, burst=3) > 0.0


def test_never_more_than_the_rate_over_a_long_time(clock: VirtualClock) -> None:
    limit = limiter(clock)
    taken = 0
    for _ in range(10_000):
        clock.advance(clock.now_ms() + 1)
        taken += limit.take("b", 1, rate_per_s=70, burst=5) == 0.0

    assert 700 <= taken <= 705


def test_more_than_the_burst_waits_for_a_full_bucket_and_leaves_a_debt(
    clock: VirtualClock,
) -> None:
    limit = limiter(clock)
    assert limit.take("b", 20, rate_per_s=10, burst=5) == 0.0
    assert limit.take("b", 1, rate_per_s=10, burst=5) == pytest.approx(1.6)
    assert limit.take("b", 20, rate_per_s=10, burst=5) == pytest.approx(2.0)


def test_buckets_are_apart(clock: VirtualClock) -> None:
    limit = limiter(clock)
    limit.take("a", 1, rate_per_s=1, burst=1)

    assert limit.take("a", 1, rate_per_s=1, burst=1) == pytest.approx(1.0)
    assert limit.take("b", 1, rate_per_s=1, burst=1) == 0.0


def test_of_too_many_buckets_the_least_used_is_forgotten(clock: VirtualClock) -> None:
    limit = limiter(clock, buckets_max=2)
    for bucket in ("a", "b", "a", "c"):
        limit.take(bucket, 1, rate_per_s=0.001, burst=2)

    assert limit.take("a", 1, rate_per_s=0.001, burst=2) > 0.0
    assert limit.take("b", 2, rate_per_s=0.001, burst=2) == 0.0
