"""Token buckets of one process, as one time per bucket (GCRA)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from tocsin.ports.system import Clock

_LOOKED_AT: Final = 4


class MemoryLimiter:
    """
    Fills `tocsin.ports.cache.Limiter`.

    A bucket is the time at which it will be full again; one whose time has passed is as good as
    new and need not be kept. At *buckets_max* the one that was used longest ago goes, and with it
    what it had spent.
    """

    def __init__(self, clock: Clock, *, buckets_max: int) -> None:
        self._clock = clock
        self._buckets_max = buckets_max
        self._full_at_s: OrderedDict[str, float] = OrderedDict()

    def take(self, bucket: str, tokens: int, *, rate_per_s: float, burst: int) -> float:
        """
        Take, or say how long to wait.

        More than *burst* at once is taken from a full bucket, which then is in debt: otherwise it
        could never be taken.
        """
        now_s = self._clock.monotonic()
        full_at_s = max(self._full_at_s.get(bucket, now_s), now_s)
        missing_s = full_at_s - now_s
        wait_s = missing_s - (burst - min(tokens, burst)) / rate_per_s
        # A nanosecond is what rounding makes of "exactly now" after a long time.
        if wait_s > 1e-9:
            return wait_s
        self._full_at_s.pop(bucket, None)
        self._make_room(now_s)
        self._full_at_s[bucket] = full_at_s + tokens / rate_per_s
        return 0.0

    def _make_room(self, now_s: float) -> None:
        # A few at each take are enough to keep up, since each take adds one at the most.
        for _ in range(_LOOKED_AT):
            oldest = next(iter(self._full_at_s), None)
            if oldest is None:
                return
            full = len(self._full_at_s) >= self._buckets_max
            if not full and self._full_at_s[oldest] > now_s:
                return
            del self._full_at_s[oldest]
