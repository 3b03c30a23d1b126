"""When the next attempt is due, and what an attempt costs."""

from __future__ import annotations

from typing import Final

import msgspec

DOWN_CAP_MS: Final = 300_000
"""
Longest wait that is drawn after an attempt that cost nothing: so long may a message wait on after
a provider has come back.
"""

_COSTLESS: Final = frozenset({"unreachable", "overloaded", "throttled", "our_fault", "paused"})
_ILL: Final = frozenset({"unreachable", "overloaded", "timed_out", "our_fault", "outcome_unknown"})


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    Exponential backoff with full jitter: a wait is drawn between 0 and base x 2^(attempts - 1).

    ``cap_ms`` bounds what is drawn, never what a provider asks for. ``attempts_max`` bounds the
    attempts that cost something (`costs`), ``patience_ms`` the time since the first in which others
    are made.
    """

    base_ms: int = 1_000
    cap_ms: int = 3_600_000
    attempts_max: int = 12
    patience_ms: int = 86_400_000


def costs(reason: str, *, known: bool) -> bool:
    """
    Return whether an attempt that was not accepted uses up one of those that a delivery has.

    What is *known* not to be accepted for a reason that every other message would have met costs
    nothing: it cannot arrive twice, and says nothing about the message. An attempt that may have
    been taken costs one, whatever the reason, since each more may be one message more.
    """
    return not (known and reason in _COSTLESS)


def ill(reason: str) -> bool:
    """Return whether *reason* says that the provider itself is in trouble."""
    return reason in _ILL


def next_attempt_ms(
    policy: RetryPolicy,
    *,
    attempts: int,
    now_ms: int,
    fraction: float,
    retry_after_ms: int | None = None,
    expires_ms: int | None = None,
    spent: int | None = None,
    reason: str = "",
    known: bool = True,
) -> int | None:
    """
    Return when to try again after *attempts* made (1 or more), or None when there is no other try.

    *spent* is how many of them cost something, by default all. *reason* and *known* are of the last
    one. *fraction* in [0, 1) is the chance of the jitter. A provider's ``Retry-After`` is the least
    wait, with the jitter on top, so that those who were told the same do not come back together.

    While a provider is in trouble, the second half of the costly attempts is spread over the time
    until *expires_ms*, each wait about twice the one before: however few there are, an outage of
    hours does not use them up. None is also the answer when the try would come at or after
    *expires_ms*.
    """
    left = policy.attempts_max - (attempts if spent is None else spent)
    free = not costs(reason, known=known)
    if left <= 0 and not free:
        return None
    cap_ms = min(policy.cap_ms, max(policy.base_ms, DOWN_CAP_MS)) if free else policy.cap_ms
    # A shift by the attempts alone would be a number without bound.
    ceiling_ms = min(cap_ms, policy.base_ms << min(attempts - 1, 40))
    drawn_ms = int(ceiling_ms * fraction)
    if expires_ms is not None and ill(reason) and not free and left <= policy.attempts_max // 2:
        share_ms = max(expires_ms - now_ms, 0) >> (left + 1)
        drawn_ms = max(drawn_ms, share_ms + int(share_ms * fraction))
    due_ms = now_ms + max(retry_after_ms or 0, 0) + drawn_ms
    if expires_ms is not None and due_ms >= expires_ms:
        return None
    return due_ms
