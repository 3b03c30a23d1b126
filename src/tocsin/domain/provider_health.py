"""
How much of its usual part a provider is given: less while it is slow or fails, and all again after.

A breaker says whether a provider is called at all; this says how often, long before. What it moves,
it moves in small steps, so that the others are not thrown over by what this one was given.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec


class HealthPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    When a share moves, and how far. Durations are ms.

    A call is *bad* when it failed or was slow. The share is looked at every ``step_ms``: it is
    multiplied by ``down`` when at least ``bad_part`` of the calls in ``window_ms`` were bad, of
    ``calls_min`` at least, and so were those of the last ``recent_ms``. Else ``up`` is added to it.
    It never falls below ``share_min``: whoever is not called at all never shows that it is well.
    """

    window_ms: int = 900_000
    recent_ms: int = 180_000
    bad_part: float = 0.15
    calls_min: int = 10
    step_ms: int = 60_000
    down: float = 0.75
    up: float = 0.1
    share_min: float = 0.05


@dataclass(slots=True)
class Tally:
    """Calls of some time."""

    calls: int = 0
    slow: int = 0
    failed: int = 0

    @property
    def bad_part(self) -> float:
        """Which part of them was slow or failed; 0 without any."""
        return (self.slow + self.failed) / self.calls if self.calls else 0.0


class Move(msgspec.Struct, frozen=True):
    """A share that has moved, and the calls of the window by which it did."""

    before: float
    after: float
    calls: int
    slow: int
    failed: int


@dataclass(slots=True)
class ProviderHealth:
    """One provider. Times are ms since the epoch and come in as arguments."""

    policy: HealthPolicy
    share: float = 1.0
    _slots: deque[tuple[int, Tally]] = field(default_factory=deque)
    """By the number of their step."""
    _looked_ms: int | None = None

    def tell(self, now_ms: int, *, calls: int = 1, slow: int = 0, failed: int = 0) -> None:
        """Count calls that have ended; none is both slow and failed."""
        number = now_ms // self.policy.step_ms
        if not self._slots or self._slots[-1][0] < number:
            self._slots.append((number, Tally()))
            self._forget(now_ms)
        tally = self._slots[-1][1]
        tally.calls += calls
        tally.slow += slow
        tally.failed += failed
        if self._looked_ms is None and (slow or failed):
            self._looked_ms = now_ms

    def tally(self, now_ms: int, within_ms: int | None = None) -> Tally:
        """Return the calls of the last *within_ms*, by default of the window."""
        step_ms = self.policy.step_ms
        oldest = (now_ms - (self.policy.window_ms if within_ms is None else within_ms)) // step_ms
        found = Tally()
        for number, tally in self._slots:
            if number > oldest:
                found.calls += tally.calls
                found.slow += tally.slow
                found.failed += tally.failed
        return found

    def next_ms(self) -> int | None:
        """Return when to look again; None while nothing was bad and the share is whole."""
        return None if self._looked_ms is None else self._looked_ms + self.policy.step_ms

    def move(self, now_ms: int) -> Move | None:
        """Look, and return how the share has moved, if it has."""
        policy = self.policy
        due_ms = self.next_ms()
        if due_ms is None or now_ms < due_ms:
            return None
        self._forget(now_ms)
        all_, recent = self.tally(now_ms), self.tally(now_ms, policy.recent_ms)
        ill = all_.calls >= policy.calls_min and min(all_.bad_part, recent.bad_part)
        before = self.share
        if ill and ill >= policy.bad_part:
            self.share = max(policy.share_min, round(before * policy.down, 4))
        else:
            self.share = min(1.0, round(before + policy.up, 4))
        well = self.share == 1.0 and not all_.bad_part
        self._looked_ms = None if well else now_ms
        if self.share == before:
            return None
        return Move(before, self.share, all_.calls, all_.slow, all_.failed)

    def resume(self, share: float, now_ms: int) -> None:
        """Go on from the share that an earlier process had come to."""
        self.share = share
        self._looked_ms = now_ms

    def _forget(self, now_ms: int) -> None:
        oldest = (now_ms - self.policy.window_ms) // self.policy.step_ms
        while self._slots and self._slots[0][0] <= oldest:
            self._slots.popleft()
