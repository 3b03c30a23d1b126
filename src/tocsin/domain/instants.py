"""Instants as RFC 3339 writes them and as milliseconds since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)\Z", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
INSTANT_RULE: Final = "write an instant like 2026-03-29T18:30:00Z, with Z or an offset"


def parse_instant(text: str) -> int:
    """
    Return the milliseconds since the epoch of an RFC 3339 ``date-time``.

    A leap second counts as the second after it; finer parts than a millisecond are cut off.

    Raises:
        ValueError: *text* is nothing of the kind; the message is fit to be shown.

    """
    if _RFC3339.match(text) is None:
        raise ValueError(INSTANT_RULE)
    leap = text[17:19] == "60"
    plain = f"{text[:17]}59{text[19:]}" if leap else text
    try:
        moment = datetime.fromisoformat(plain.upper())
    except (ValueError, OverflowError):
        raise ValueError(INSTANT_RULE) from None
    return (moment - _EPOCH) // _MS + (1_000 if leap else 0)


def show_instant(at_ms: int) -> str:
    """Return the RFC 3339 text of an instant, in UTC, with milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1_000:03d}Z"
