"""How much a played vendor lets through to each place: a chat, a webhook, a device."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

_PLACES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Quota:
    """So many at one moment; what was used comes back evenly within ``per_ms``."""

    calls: int
    per_ms: int


class Quotas:
    """What is left of a quota, place by place; the places that were asked last are known."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, place: str, now_ms: int) -> int:
        """Use one; return 0, or in how many milliseconds there will be one."""
        after_ms = self.after_ms(place, now_ms)
        if after_ms:
            return after_ms
        self._left[place] = (self.left(place, now_ms) - 1, now_ms)
        self._left.move_to_end(place)
        while len(self._left) > _PLACES_MAX:
            self._left.popitem(last=False)
        return 0

    def after_ms(self, place: str, now_ms: int) -> int:
        """Return in how many milliseconds there will be one; 0: now."""
        missing = max(0.0, 1 - self.left(place, now_ms))
        return math.ceil(missing * self._quota.per_ms / self._quota.calls)

    def left(self, place: str, now_ms: int) -> float:
        """Return how many would go through now."""
        calls = self._quota.calls
        left, at_ms = self._left.get(place, (float(calls), now_ms))
        return min(calls, left + (now_ms - at_ms) * calls / self._quota.per_ms)

    def full_in_ms(self, place: str, now_ms: int) -> int:
        """Return when all of it will be there again."""
        missing = self._quota.calls - self.left(place, now_ms)
        return math.ceil(missing * self._quota.per_ms / self._quota.calls)
