"""When the next attempt is due."""

from __future__ import annotations

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    Exponential backoff with full jitter: a wait is drawn between 0 and base x 2^(attempts - 1).

    ``cap_ms`` bounds what is drawn, never what a provider asks for.
    """

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
    """
    Return when to try again after *attempts* made (1 or more), or None when there is no other try.

    *fraction* in [0, 1) is the chance of the jitter. A provider's ``Retry-After`` is the least
    wait, with the jitter on top, so that those who were told the same do not come back together.
    None is also the answer when the try would come at or after *expires_ms*.
    """
    if attempts >= policy.attempts_max:
        return None
    # A shift by the attempts alone would be a number without bound.
    ceiling_ms = min(policy.cap_ms, policy.base_ms << min(attempts - 1, 40))
    due_ms = now_ms + max(retry_after_ms or 0, 0) + int(ceiling_ms * fraction)
    if expires_ms is not None and due_ms >= expires_ms:
        return None
    return due_ms
