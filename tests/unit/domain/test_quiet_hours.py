"""Silence in local time, compared in UTC, through every change of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tocsin.domain.preferences import QuietHours
from tocsin.domain.quiet_hours import DAYS_AHEAD_MAX, held_until, known_zone

NIGHT = QuietHours((), 22 * 60, 7 * 60)
DAY_MS = 86_400_000
ZONES = sorted(available_timezones() - {"localtime", "Factory"})


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def local(at_ms: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone))


@pytest.mark.parametrize(
    ("window", "zone", "now", "until"),
    [
        (NIGHT, "Europe/Berlin", "2026-07-01T23:00+02:00", "2026-07-02T07:00+02:00"),
        (NIGHT, "Europe/Berlin", "2026-07-02T06:59+02:00", "2026-07-02T07:00+02:00"),
        (NIGHT, "Europe/Berlin", "2026-07-01T22:00+02:00", "2026-07-02T07:00+02:00"),
        (NIGHT, "Europe/Berlin", "2026-07-02T07:00+02:00", None),
        (NIGHT, "Europe/Berlin", "2026-07-02T21:59+02:00", None),
        (NIGHT, None, "2026-07-01T23:00+00:00", "2026-07-02T07:00+00:00"),
        (NIGHT, "Mars/Olympus", "2026-07-01T23:00+00:00", "2026-07-02T07:00+00:00"),
        # Only nights that begin on Friday; Saturday's morning belongs to Friday's night.
        (QuietHours((4,), 1320, 420), "UTC", "2026-07-04T06:00+00:00", "2026-07-04T07:00+00:00"),
        (QuietHours((4,), 1320, 420), "UTC", "2026-07-04T23:00+00:00", None),
        # The whole day, from midnight to midnight.
        (QuietHours((6,), 0, 0), "UTC", "2026-07-05T12:00+00:00", "2026-07-06T00:00+00:00"),
        # The night is an hour shorter in March and an hour longer in October.
        (NIGHT, "Europe/Berlin", "2026-03-28T23:00+01:00", "2026-03-29T07:00+02:00"),
        (NIGHT, "Europe/Berlin", "2026-10-24T23:00+02:00", "2026-10-25T07:00+01:00"),
        # 02:30 does not exist on 29 March: the first instant after is 03:00.
        (
            QuietHours((), 60, 150),
            "Europe/Berlin",
            "2026-03-29T01:30+01:00",
            "2026-03-29T03:00+02:00",
        ),
        (
            QuietHours((), 150, 240),
            "Europe/Berlin",
            "2026-03-29T03:30+02:00",
            "2026-03-29T04:00+02:00",
        ),
        # 02:15 to 02:45 comes twice on 25 October: both passes are quiet, and what is between.
        (
            QuietHours((), 135, 165),
            "Europe/Berlin",
            "2026-10-25T02:30+02:00",
            "2026-10-25T02:45+01:00",
        ),
        (
            QuietHours((), 135, 165),
            "Europe/Berlin",
            "2026-10-25T02:30+01:00",
            "2026-10-25T02:45+01:00",
        ),
        (QuietHours((), 135, 165), "Europe/Berlin", "2026-10-25T02:50+01:00", None),
        # Midnight does not exist in Cairo on 24 April, nor 30 December 2011 in Apia.
        (
            QuietHours((), 1380, 0),
            "Africa/Cairo",
            "2026-04-23T23:30+02:00",
            "2026-04-24T01:00+03:00",
        ),
        (
            QuietHours((), 1320, 420),
            "Pacific/Apia",
            "2011-12-29T23:00-10:00",
            "2011-12-31T07:00+14:00",
        ),
        # Half an hour on Lord Howe.
        (
            QuietHours((), 90, 135),
            "Australia/Lord_Howe",
            "2026-10-04T01:45+10:30",
            "2026-10-04T02:30+11:00",
        ),
    ],
)
def test_a_message_is_held_until_the_window_ends(
    window: QuietHours, zone: str | None, now: str, until: str | None
) -> None:
    assert held_until([window], zone, ms(now)) == (None if until is None else ms(until))


def test_windows_that_touch_are_one_silence() -> None:
    windows = [QuietHours((), 0, 420), QuietHours((), 1320, 0), QuietHours((), 400, 500)]
    assert held_until(windows, "UTC", ms("2026-07-01T23:00+00:00")) == ms("2026-07-02T08:20+00:00")


def test_silence_without_an_end_is_asked_about_again() -> None:
    now_ms = ms("2026-07-01T23:00+00:00")
    assert held_until([QuietHours((), 0, 0)], "UTC", now_ms) == now_ms + DAYS_AHEAD_MAX * DAY_MS


def test_without_windows_nothing_is_held() -> None:
    assert held_until([], "Europe/Berlin", 0) is None


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Europe/Berlin", True),
        ("UTC", True),
        ("Europe", False),
        ("../../etc/passwd", False),
        ("/etc/passwd", False),
        ("", False),
        ("Europe/Berlin\0", False),
        ("x" * 5000, False),
    ],
)
def test_a_zone_is_known_or_not_and_never_fails(name: str, known: bool) -> None:
    assert known_zone(name) is known
    assert held_until([NIGHT], name, ms("2026-07-01T12:00+00:00")) is None


WINDOWS = st.builds(
    QuietHours,
    st.sets(st.integers(0, 6)).map(lambda days: tuple(sorted(days))),
    st.integers(0, 1439),
    st.integers(0, 1439),
)


def is_quiet(window: QuietHours, at: datetime) -> bool:
    """Say so by the wall clock alone: a second way to the same answer."""
    minute = at.hour * 60 + at.minute
    today = not window.days or at.weekday() in window.days
    yesterday = not window.days or (at.weekday() - 1) % 7 in window.days
    if window.begin < window.end:
        return today and window.begin <= minute < window.end
    return (today and minute >= window.begin) or (yesterday and minute < window.end)


def steady(at_ms: int, zone: str) -> bool:
    """Whether no clock changes within two days of *at_ms*."""
    offsets = {local(at_ms + hours * 3_600_000, zone).utcoffset() for hours in range(-48, 49, 6)}
    return len(offsets) == 1


@settings(max_examples=300)
@given(
    st.lists(WINDOWS, min_size=1, max_size=4),
    st.sampled_from(ZONES),
    st.integers(ms("2015-01-01T00:00+00:00"), ms("2037-12-31T00:00+00:00")),
)
def test_on_steady_days_the_wall_clock_says_the_same(
    windows: list[QuietHours], zone: str, now_ms: int
) -> None:
    assume(steady(now_ms, zone))
    quiet = any(is_quiet(window, local(now_ms, zone)) for window in windows)
    assert (held_until(windows, zone, now_ms) is not None) is quiet


def transitions(zone: str) -> list[int]:
    """Return when *zone* changes its clocks between 2015 and 2037, to the hour."""
    where, found = ZoneInfo(zone), []
    at = datetime(2015, 1, 1, tzinfo=UTC)
    before = at.astimezone(where).utcoffset()
    while at.year < 2038:
        at += timedelta(days=7)
        after = at.astimezone(where).utcoffset()
        if after != before:
            low = at - timedelta(days=7)
            while at - low > timedelta(minutes=1):
                middle = low + (at - low) / 2
                changed = middle.astimezone(where).utcoffset() != before
                low, at = (low, middle) if changed else (middle, at)
            found.append(int(at.timestamp()) * 1000)
            before = at.astimezone(where).utcoffset()
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.lists(WINDOWS, min_size=1, max_size=3),
    st.sampled_from(ZONES),
    st.integers(-36 * 60, 36 * 60),
    st.randoms(use_true_random=False),
)
def test_a_release_is_never_quiet_also_when_clocks_change(
    windows: list[QuietHours], zone: str, minutes: int, chance: Random
) -> None:
    changes = transitions(zone) or [ms("2026-07-01T12:00+00:00")]
    change_ms = changes[chance.randrange(len(changes))]
    now_ms = change_ms + minutes * 60_000
    until_ms = held_until(windows, zone, now_ms)
    if until_ms is None:
        return
    assert now_ms < until_ms <= now_ms + DAYS_AHEAD_MAX * DAY_MS
    if until_ms < now_ms + DAYS_AHEAD_MAX * DAY_MS:
        assert held_until(windows, zone, until_ms) is None
        # What came just before was still quiet: it is the first such instant.
        assert held_until(windows, zone, until_ms - 1) == until_ms
