"""Rate limiting: the generic cell rate algorithm, as arithmetic."""

from __future__ import annotations

from typing import NamedTuple


class Taken(NamedTuple):
    """``state`` is what to keep for the bucket; ``wait_s`` is 0.0 when the tokens were taken."""

    state: float
    wait_s: float


def take(state: float | None, now_s: float, tokens: int, *, rate_per_s: float, burst: int) -> Taken:
    """Take *tokens* from a bucket whose theoretical arrival time is *state* (None: full)."""
    raise NotImplementedError
