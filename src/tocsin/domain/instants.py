"""Instants as RFC 3339 writes them and as milliseconds since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)\Z", re.ASCII
)
_WHOLE_SECOND: Final = "--T::Z"
"""Every third character from the fifth on of ``2026-03-29T18:30:00Z``."""

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_FIRST_MS: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MS
_LAST_MS: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MS
"""The years 1 to 9999 in UTC: an offset may lead out of them, and then nobody could show it."""
INSTANT_RULE: Final = "write an instant like 2026-03-29T18:30:00Z, with Z or an offset"


def parse_instant(text: str) -> int:
    """
    Return the milliseconds since the epoch of an RFC 3339 ``date-time``.

    A leap second counts as the second after it; finer parts than a millisecond are cut off.

    Raises:
        ValueError: *text* is nothing of the kind; the message is fit to be shown.

    """
    if len(text) == 20 and text[4::3] == _WHOLE_SECOND and text.isascii():
        # What nearly every producer writes.
        try:
            return _whole_second(text)
        except ValueError:
            pass  # a leap second, or no instant at all
    if _RFC3339.match(text) is None:
        raise ValueError(INSTANT_RULE)
    leap = text[17:19] == "60"
    plain = f"{text[:17]}59{text[19:]}" if leap else text
    try:
        moment = datetime.fromisoformat(plain.upper())
    except (ValueError, OverflowError):
        raise ValueError(INSTANT_RULE) from None
    at_ms = (moment - _EPOCH) // _MS + (1_000 if leap else 0)
    if not _FIRST_MS <= at_ms <= _LAST_MS:
        raise ValueError(INSTANT_RULE)
    return at_ms


# Of a batch most are of the same few seconds.
@lru_cache(maxsize=1_024)
def _whole_second(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000


def parse_begin(text: str) -> int:
    """
    Return the milliseconds of an instant, or of the begin of a date in UTC.

    Raises:
        ValueError: *text* is neither; the message is fit to be shown.

    """
    if _DATE.match(text) is None:
        return parse_instant(text)
    return parse_instant(f"{text}T00:00:00Z")


# Shown for each message of a batch, and most of a batch have the same few.
@lru_cache(maxsize=4_096)
def show_instant(at_ms: int) -> str:
    """
    Return the RFC 3339 text of an instant, in UTC, with milliseconds.

    What lies outside the years 1 to 9999 is shown as their first or last millisecond.
    """
    moment = _EPOCH + timedelta(milliseconds=min(max(at_ms, _FIRST_MS), _LAST_MS))
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
