"""When the next attempt is due."""

from __future__ import annotations

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential with full jitter."""

    base_ms: int = 1_000
    cap_ms: int = 3_600_000
    attempts_max: int = 8


def next_attempt_ms(
    policy: RetryPolicy,
    *,
    attempts: int,
    now_ms: int,
    fraction: float,
    retry_after_ms: int | None = None,
    expires_ms: int | None = None,
) -> int | None:
    """Return the due time after *attempts* made, or None when there is to be no other."""
    raise NotImplementedError
