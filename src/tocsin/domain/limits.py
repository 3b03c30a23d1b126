"""
Rate limiting: the generic cell rate algorithm (ITU-T I.371), as arithmetic.

A bucket's only state is its theoretical arrival time: when it would be full again.
"""

from __future__ import annotations

from typing import NamedTuple


class Taken(NamedTuple):
    """``state`` is what to keep for the bucket; ``wait_s`` is 0.0 when the tokens were taken."""

    state: float
    wait_s: float


def take(state: float | None, now_s: float, tokens: int, *, rate_per_s: float, burst: int) -> Taken:
    """
    Take *tokens*, or say how long until they are there; then nothing was taken.

    *state* is what the last call returned, None for a full bucket. More tokens than *burst* wait
    until the bucket is full and then go into debt, so that a large batch passes at the same rate.
    """
    full_s = now_s if state is None else max(state, now_s)
    tolerance_s = burst / rate_per_s
    needed_s = min(tokens, burst) / rate_per_s
    wait_s = full_s + needed_s - tolerance_s - now_s
    # Sums of fractions of a second come out a hair above; a nanosecond is no wait.
    if wait_s > 1e-9:
        return Taken(full_s, wait_s)
    return Taken(full_s + tokens / rate_per_s, 0.0)
