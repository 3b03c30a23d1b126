"""Instants as text (RFC 3339) and back. Everything inside is milliseconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def show_time(at_ms: int) -> str:
    """
    Return an instant as RFC 3339 in UTC with milliseconds.

    >>> show_time(1_500_000_000_123)
    '2017-07-14T02:40:00.123Z'
    """
    at = _EPOCH + timedelta(milliseconds=at_ms)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def read_time(text: str) -> int:
    """
    Return the milliseconds of an RFC 3339 instant; finer digits are cut off.

    Raises `ValueError` for anything else, also for a time without an offset.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time needs an offset, for example Z")
    return (at - _EPOCH) // timedelta(milliseconds=1)
