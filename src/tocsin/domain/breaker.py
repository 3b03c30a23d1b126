"""
A circuit breaker: whether a service that failed is to be called again, and how gently.

*Closed*: calls are made and counted. *Open*: none are, so no attempt is burnt. *Half-open*: one
message goes as a probe. After a probe that was answered it is closed again, with a slow start: what
has gathered meanwhile must not throw the service over once more. Only failures of the service
count, never what it says about one recipient.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from tocsin.domain.token_bucket import TokenBucket

_STEP_MS: Final = 10_000
_DOUBLINGS: Final = 10


class BreakerState(StrEnum):
    """How a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    When it opens: *failures* failed calls in a window that are at least half of all in it.

    It is open for ``open_ms``, twice as long after each probe that fails, ``open_max_ms`` at most.
    ``slow_start_per_s`` messages a second may go after it closed, twice as many every 10 s; after
    100 s as many as there are.
    """

    failures: int = 10
    window_ms: int = 30_000
    open_ms: int = 5_000
    open_max_ms: int = 60_000
    slow_start_per_s: int = 50


@dataclass(slots=True)
class Breaker:
    """
    One breaker. Times are ms since the epoch and come in as arguments; the clock may be set back.
    """

    policy: BreakerPolicy
    generation: int = 0
    """Changes whenever it opens; outcomes of calls begun before say nothing new."""
    _good: int = 0
    _bad: int = 0
    _window_ms: int = 0
    _open_until_ms: int | None = None
    _opened_times: int = 0
    """In a row, without an answer between."""
    _probing: bool = False
    _closed_ms: int | None = None
    """Since when it starts slowly; None: it does not."""
    _start: TokenBucket | None = None

    def state(self, now_ms: int) -> BreakerState:
        """Return how it stands."""
        if self._open_until_ms is None:
            return BreakerState.CLOSED
        # Further ahead than it is ever set is only what a clock that was set back has left behind.
        is_open = 0 < self._open_until_ms - now_ms <= self.policy.open_max_ms
        return BreakerState.OPEN if is_open else BreakerState.HALF_OPEN

    def passable(self, now_ms: int) -> bool:
        """Return whether a message could go now, were it alone."""
        state = self.state(now_ms)
        return state is BreakerState.CLOSED or (
            state is BreakerState.HALF_OPEN and not self._probing
        )

    def admit(self, wanted: int, now_ms: int) -> int:
        """Return how many of *wanted* messages may go now; they count as under way."""
        state = self.state(now_ms)
        if state is BreakerState.OPEN or wanted == 0:
            return 0
        if state is BreakerState.HALF_OPEN:
            free = not self._probing
            self._probing = True
            return int(free)
        return self._slowly(wanted, now_ms)

    def ready_ms(self, now_ms: int) -> int:
        """Return when to ask again; *now_ms* when something could go, or waits for a probe."""
        if self._open_until_ms is not None:
            is_open = self.state(now_ms) is BreakerState.OPEN
            return self._open_until_ms if is_open else now_ms
        return now_ms if self._start is None else self._start.ready_ms(now_ms)

    def waits_for_probe(self) -> bool:
        """Return whether the next news is how the probe ended, whatever the time is."""
        return self._probing

    def give_back(self, count: int, generation: int) -> None:
        """Let *count* that were admitted go: their calls are not made after all."""
        if count and generation == self.generation and self._open_until_ms is not None:
            self._probing = False

    def tell(self, *, failed: bool, generation: int, now_ms: int, at_once: bool = False) -> bool:
        """
        Take in how a call ended that was admitted in *generation*; True: the state changed.

        *at_once* says that every other call would fail like this one: it opens without counting.
        """
        if generation != self.generation:
            return False
        if self._open_until_ms is not None:
            self._probing = False
            if failed:
                self._open(now_ms)
            else:
                self._close(now_ms)
            return True
        if failed and at_once:
            self._open(now_ms)
            return True
        return self._count(failed, now_ms)

    def renew(self, now_ms: int) -> None:
        """
        Let a probe go at once if it is open: what failed was exchanged for another.

        Calls that are under way say nothing about that one, and how often the first one failed
        does not make the next wait longer.
        """
        self.generation += 1
        self._probing = False
        self._opened_times = 0
        self._good = self._bad = 0
        if self._open_until_ms is not None:
            self._open_until_ms = now_ms

    @property
    def closed(self) -> bool:
        """Whether calls are made as usual."""
        return self._open_until_ms is None

    @property
    def pristine(self) -> bool:
        """Whether it knows nothing that a new one would not."""
        return self._open_until_ms is None and self._start is None and self._bad == 0

    def _count(self, failed: bool, now_ms: int) -> bool:
        if not 0 <= now_ms - self._window_ms < self.policy.window_ms:
            self._window_ms, self._good, self._bad = now_ms, 0, 0
        if not failed:
            self._good += 1
            return False
        self._bad += 1
        if self._bad < self.policy.failures or self._bad < self._good:
            return False
        self._open(now_ms)
        return True

    def _open(self, now_ms: int) -> None:
        policy = self.policy
        wait_ms = min(policy.open_ms << min(self._opened_times, 20), policy.open_max_ms)
        self._opened_times += 1
        self.generation += 1
        self._open_until_ms = now_ms + wait_ms
        self._start = self._closed_ms = None
        self._good = self._bad = 0

    def _close(self, now_ms: int) -> None:
        self._open_until_ms = None
        self._opened_times = 0
        self._window_ms = self._closed_ms = now_ms
        rate = self.policy.slow_start_per_s
        self._start = TokenBucket(rate, rate)

    def _slowly(self, wanted: int, now_ms: int) -> int:
        start = self._start
        if start is None or self._closed_ms is None:
            return wanted
        self._closed_ms = min(self._closed_ms, now_ms)
        doublings = (now_ms - self._closed_ms) // _STEP_MS
        if doublings >= _DOUBLINGS:
            self._start = self._closed_ms = None
            return wanted
        rate = self.policy.slow_start_per_s << doublings
        start.change(rate, rate, now_ms)
        return start.take(wanted, now_ms)
