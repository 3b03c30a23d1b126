"""Lengths of time as people write them (``2d``, ``1h30m``, ``250ms``) and as the code counts."""

from __future__ import annotations

import re
from typing import Final

_UNIT_MS: Final = {
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_PART: Final = re.compile(r"(\d{1,15})(ms|[wdhms])", re.ASCII)
_WHOLE: Final = re.compile(r"(?:\d{1,15}(?:ms|[wdhms]))+", re.ASCII)


def parse_duration(text: str) -> int:
    """
    The milliseconds that *text* stands for.

    One or more whole numbers, each with a unit (``w``, ``d``, ``h``, ``m``, ``s``, ``ms``), the
    larger unit first and none twice: ``"2d"``, ``"1h30m"``, ``"250ms"``. A day is 24 hours here:
    rules that follow a calendar work on dates in a zone.

    Raises:
        ValueError: *text* is nothing of the kind; the message is fit to be shown.

    """
    cleaned = text.strip()
    if _WHOLE.fullmatch(cleaned) is None:
        raise ValueError(_refusal(text))
    total_ms = 0
    above = None
    for number, unit in _PART.findall(cleaned):
        unit_ms = _UNIT_MS[unit]
        if above is not None and unit_ms >= above:
            raise ValueError(_refusal(text))
        above = unit_ms
        total_ms += int(number) * unit_ms
    return total_ms


def format_duration(duration_ms: int) -> str:
    """
    The shortest text that `parse_duration` reads as *duration_ms* (0 or more).

    Weeks are left out: nobody who wrote ``90d`` wants to read ``12w6d``.
    """
    parts = []
    rest_ms = duration_ms
    for unit in ("d", "h", "m", "s", "ms"):
        number, rest_ms = divmod(rest_ms, _UNIT_MS[unit])
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def _refusal(text: str) -> str:
    return f"{text[:40]!r} is not a duration; write it like 30s, 15m, 24h, 2d or 1h30m"
