"""When so many addresses die at once that it is the provider, or our settings, that err."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class PurgeGuard:
    """
    Counts one provider's outcomes in windows of ``window_ms``.

    More than ``dead_max`` dead addresses in a window that are also more than a tenth of its
    outcomes are not believed: a wrong project, certificate or environment makes every address look
    dead.
    """

    dead_max: int
    window_ms: int
    _since_ms: int = 0
    _dead: int = 0
    _outcomes: int = 0

    def believes(self, dead: int, outcomes: int, now_ms: int) -> bool:
        """Count *dead* addresses among *outcomes*; return whether they are to be believed."""
        if now_ms >= self._since_ms + self.window_ms:
            self._since_ms, self._dead, self._outcomes = now_ms, 0, 0
        self._dead += dead
        self._outcomes += outcomes
        return self._dead <= self.dead_max or self._dead * 10 <= self._outcomes
