"""The field ``Retry-After`` of an HTTP answer (RFC 9110, 10.2.3)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final

RETRY_AFTER_MAX_MS: Final = 86_400_000
"""What asks for more is not believed further than this."""


def retry_after_ms(value: bytes | None, now_ms: int) -> int | None:
    """
    Return how long to wait from *now_ms*, real time, on: never negative, at most a day.

    None when nothing was said, or nothing that can be read.
    """
    if value is None:
        return None
    if value.isdigit():
        # More digits than a day's seconds have only say "long".
        wanted = int(value[:9]) * 1_000
    else:
        try:
            date = parsedate_to_datetime(value.decode("ascii"))
            wanted = round(date.timestamp() * 1_000) - now_ms
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return min(max(0, wanted), RETRY_AFTER_MAX_MS)
