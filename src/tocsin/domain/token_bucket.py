"""A token bucket that gives what it has to a batch, and keeps a reserve for those who may draw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Who waits for tokens is woken for this much of a second at once, not for each of them.
_SLICE_S: Final = 0.05


@dataclass(slots=True)
class TokenBucket:
    """
    ``rate_per_s`` tokens a second, ``burst`` at most. Times are ms since the epoch.

    It is full when it is first asked.
    """

    rate_per_s: float
    burst: float
    reserve: float = 0.0
    """Tokens that are only given to those who ask with ``reserved``."""
    _level: float | None = None
    _at_ms: int = 0

    def take(self, wanted: int, now_ms: int, *, reserved: bool = False) -> int:
        """Take as many of *wanted* as there are, and return how many."""
        free = self._refilled(now_ms) - (0.0 if reserved else self.reserve)
        # Sums of fractions come out a hair below.
        granted = max(0, min(wanted, int(free + 1e-6)))
        self._level = self._refilled(now_ms) - granted
        return granted

    def give_back(self, count: int) -> None:
        """Put back what was taken and not used."""
        if self._level is not None:
            self._level = min(self.burst, self._level + count)

    def owe(self, count: int) -> None:
        """Take what may not be there: nobody gets any until it has come in."""
        if self._level is not None:
            self._level -= count

    def ready_ms(self, now_ms: int, *, reserved: bool = False) -> int:
        """Return when a slice of tokens will be there, *now_ms* when it is."""
        slice_ = max(1.0, min(self.rate_per_s * _SLICE_S, self.burst - self.reserve))
        missing = slice_ + (0.0 if reserved else self.reserve) - self._refilled(now_ms)
        if missing <= 1e-6:
            return now_ms
        return now_ms + max(1, -int(-missing * 1000 // self.rate_per_s))

    def change(self, rate_per_s: float, burst: float, now_ms: int) -> None:
        """Go on at another rate; what is in it stays."""
        self._level = min(self._refilled(now_ms), burst)
        self.rate_per_s, self.burst = rate_per_s, burst

    def _refilled(self, now_ms: int) -> float:
        if self._level is None:
            self._level, self._at_ms = float(self.burst), now_ms
        # A clock that was set back gives nothing, and takes nothing.
        passed_s = max(0, now_ms - self._at_ms) / 1000
        self._level = min(self.burst, self._level + passed_s * self.rate_per_s)
        self._at_ms = now_ms
        return self._level
