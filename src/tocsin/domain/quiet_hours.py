"""
Weekly windows of silence in a recipient's zone.

A window is written in local time; what is compared are UTC instants. Where clocks go forward, a
window's edge in the hour that does not exist is the instant of the change. Where they go back,
an edge in the hour that comes twice is taken so that the window gets longer: it begins with the
first pass and ends with the second. Both passes of a quiet hour are quiet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from tocsin.domain.preferences import QuietHours

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # a wall clock; zones come in explicitly
_EPOCH_UTC: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_FIRST_MONDAY: Final = date(1970, 1, 5)
_DAYS_BACK: Final = (0, 1, 2)
_MINUTE: Final = timedelta(minutes=1)
DAYS_AHEAD_MAX: Final = 8
"""Silence without an end is cut here: the hold is decided anew then."""


@lru_cache(maxsize=1_024)
def zone_of(name: str | None) -> tzinfo:
    """Return the IANA zone called *name*, UTC for none or an unknown one."""
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        # ZoneInfo raises ZoneInfoNotFoundError (a KeyError), ValueError for a name that leaves
        # the folder, and OSError for one that is a folder.
        return UTC


def known_zone(name: str) -> bool:
    """Return whether *name* is a zone."""
    return name in {"UTC", "Etc/UTC"} or zone_of(name) is not UTC


def held_until(windows: Sequence[QuietHours], zone: str | None, now_ms: int) -> int | None:
    """
    Return the first instant after *now_ms* at which no window holds, or None when none holds now.

    Windows that touch or overlap are one silence. An unknown zone counts as UTC. The result is at
    most `DAYS_AHEAD_MAX` days away, also when the windows leave no gap.
    """
    if not windows:
        return None
    where = zone_of(zone)
    latest_ms = now_ms + DAYS_AHEAD_MAX * 86_400_000
    until_ms = now_ms
    while until_ms < latest_ms:
        end_ms = _end_of_silence(windows, where, until_ms)
        if end_ms is None:
            break
        until_ms = end_ms
    return None if until_ms == now_ms else min(until_ms, latest_ms)


def _end_of_silence(windows: Sequence[QuietHours], zone: tzinfo, at_ms: int) -> int | None:
    """Return the latest end of the windows that hold at *at_ms*, or None when none does."""
    day = _local_day(at_ms // 3_600_000, zone)
    latest_ms = None
    for window in windows:
        # Two days back: a zone may skip a whole date, and a window may last into the next day.
        for back in _DAYS_BACK:
            if window.days and (day - back) % 7 not in window.days:
                continue
            begin_ms, end_ms = _span(window, day - back, zone)
            if begin_ms <= at_ms < end_ms and (latest_ms is None or end_ms > latest_ms):
                latest_ms = end_ms
    return latest_ms


# Many people share a zone and the same few windows, so spans are worth remembering.
@lru_cache(maxsize=4_096)
def _span(window: QuietHours, number: int, zone: tzinfo) -> tuple[int, int]:
    day = _FIRST_MONDAY + number * _DAY
    last = day if window.begin < window.end else day + _DAY
    return (
        _instant_ms(day, window.begin, zone, second_pass=False),
        _instant_ms(last, window.end, zone, second_pass=True),
    )


@lru_cache(maxsize=4_096)
def _local_day(hour: int, zone: tzinfo) -> int:
    """
    Return the number of the local date (0: a Monday) at the end of an hour since the epoch.

    A zone that is minutes off the hour has the next date too early; the days looked back cover it.
    """
    moment = _EPOCH_UTC + (hour + 1) * _HOUR - _MS
    return (moment.astimezone(zone).date() - _FIRST_MONDAY).days


def _instant_ms(day: date, minutes: int, zone: tzinfo, *, second_pass: bool) -> int:
    """Return the instant of a local time; one that does not exist is the change's instant."""
    wall = datetime(day.year, day.month, day.day) + minutes * _MINUTE  # noqa: DTZ001  # a wall clock
    first = _offset(wall, zone, 0)
    second = _offset(wall, zone, 1)
    if first == second:
        return (wall - _EPOCH - first) // _MS
    if first > second:
        # The clock shows this time twice.
        return (wall - _EPOCH - (second if second_pass else first)) // _MS
    return _change_ms(wall, zone, first, second)


def _offset(wall: datetime, zone: tzinfo, fold: int) -> timedelta:
    return wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta()


def _change_ms(wall: datetime, zone: tzinfo, before: timedelta, after: timedelta) -> int:
    """Return the first instant whose local time is past a gap that *wall* lies in."""
    low = (wall - _EPOCH - after) // _MS
    high = (wall - _EPOCH - before) // _MS
    # low is before the change and high is not, in whole seconds, since changes are.
    while high - low > 1_000:
        middle = (low + high) // 2_000 * 1_000
        offset = (_EPOCH_UTC + middle * _MS).astimezone(zone).utcoffset()
        low, high = (low, middle) if offset == after else (middle, high)
    return high
