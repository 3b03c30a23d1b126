"""What keeps callbacks that nobody has signed from costing more than they are worth."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from tocsin.errors import RateLimited, Unauthenticated, Unavailable
from tocsin.ports.cache import Limiter

logger = structlog.get_logger(__name__)

FORGED_BURST: Final = 50
FORGED_PER_S: Final = 1.0
"""Forged callbacks from one address above which it is suspected."""

SUSPECT_S: Final = 60.0
SUSPECTED_PER_S: Final = 50
"""
Callbacks that are looked at from a suspected address. Not none: behind a proxy that hides who
calls, those of the vendor come from there, too, and it tries again what was turned away.
"""

_SUSPECTS_MAX: Final = 10_000


class CallbackGuard:
    """
    Lets callbacks in, of each provider so many at a time.

    A signature is checked before anything else is known, and checking costs; a folder may even
    make a call of its own for it.
    """

    def __init__(self, limiter: Limiter, now_s: Callable[[], float], *, in_hand_max: int) -> None:
        self._limiter = limiter
        self._now_s = now_s
        self._in_hand_max = in_hand_max
        self._in_hand: Counter[str] = Counter()
        self._suspects: OrderedDict[str, float] = OrderedDict()

    @contextmanager
    def passing(self, provider: str, client: str) -> Iterator[None]:
        """
        Let one callback from the address *client* be looked at inside.

        Raises `RateLimited` for a suspected address, `Unavailable` when too many are in hand.
        """
        who = f"{provider}:{client}"
        self._check(who)
        if self._in_hand[provider] >= self._in_hand_max:
            raise Unavailable("too many callbacks of this provider are in hand; send it again")
        self._in_hand[provider] += 1
        try:
            yield
        except Unauthenticated:
            self._note_forged(provider, who)
            raise
        finally:
            self._in_hand[provider] -= 1

    def _check(self, who: str) -> None:
        until_s = self._suspects.get(who)
        if until_s is None:
            return
        if until_s < self._now_s():
            del self._suspects[who]
            return
        bucket, rate = f"callbacks-suspected:{who}", SUSPECTED_PER_S
        wait_s = self._limiter.take(bucket, 1, rate_per_s=rate, burst=rate)
        if wait_s > 0:
            raise RateLimited("too many forged callbacks came from there", retry_after_s=wait_s)

    def _note_forged(self, provider: str, who: str) -> None:
        bucket = f"callbacks-forged:{who}"
        if self._limiter.take(bucket, 1, rate_per_s=FORGED_PER_S, burst=FORGED_BURST) > 0:
            if self._suspects.pop(who, None) is None:
                logger.warning("callbacks_forged", provider=provider)
            self._suspects[who] = self._now_s() + SUSPECT_S
            if len(self._suspects) > _SUSPECTS_MAX:
                self._suspects.popitem(last=False)
