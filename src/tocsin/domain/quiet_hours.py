"""Weekly windows of silence in a recipient's zone; all comparisons are of UTC instants."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.domain.preferences import QuietHours


def held_until(windows: Sequence[QuietHours], zone: str | None, now_ms: int) -> int | None:
    """
    Return the first instant after *now_ms* at which no window holds, or None when none holds now.

    An unknown zone counts as UTC. See RFC 5545 3.3.5 for gaps; both passes of an overlap are quiet.
    """
    raise NotImplementedError
