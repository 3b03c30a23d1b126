"""When a provider that calls addresses dead is believed."""

from __future__ import annotations

from tocsin.domain.purge_guard import PurgeGuard

T = 1_900_000_000_000


def test_too_many_at_once_are_not_believed_until_the_window_has_passed() -> None:
    guard = PurgeGuard(dead_max=3, window_ms=1_000)
    assert guard.believes(3, 3, T)
    assert not guard.believes(1, 1, T + 999)
    assert guard.believes(1, 1, T + 1_000)


def test_a_large_sender_may_lose_its_usual_share() -> None:
    guard = PurgeGuard(dead_max=3, window_ms=1_000)
    assert guard.believes(10, 1_000, T)
    assert not guard.believes(100, 50, T)
