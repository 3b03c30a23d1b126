"""RFC 3339 in and out."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.instants import parse_instant, show_instant


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-03-29T18:30:00Z", 1_774_809_000_000),
        ("2026-03-29T18:30:00.1239Z", 1_774_809_000_123),
        ("2026-03-29T20:30:00+02:00", 1_774_809_000_000),
        ("2026-03-29t18:30:00z", 1_774_809_000_000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
    ],
)
def test_an_instant_is_read_in_milliseconds(text: str, at_ms: int) -> None:
    assert parse_instant(text) == at_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-29",
        "2026-03-29T18:30:00",
        "2026-03-29 18:30:00Z",
        "2026-02-30T18:30:00Z",
        "2026-03-29T25:30:00Z",
        "2026-03-29T18:30:61Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:60Z",
        "20260329T183000Z",
        "2026-03-29T18:30:00+0200",
        "٢٠٢٦-03-29T18:30:00Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write an instant like"):
        parse_instant(text)


@given(st.integers(min_value=-2_000_000_000_000, max_value=200_000_000_000_000))
def test_what_is_shown_reads_as_the_same_instant(at_ms: int) -> None:
    assert parse_instant(show_instant(at_ms)) == at_ms


def test_the_first_and_the_last_instant_are_shown_in_four_digits_and_nothing_lies_beyond() -> None:
    first, last = "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"
    assert show_instant(parse_instant(first)) == first == show_instant(-(10**17))
    assert show_instant(parse_instant(last)) == last == show_instant(10**17)


@given(st.datetimes())
def test_whole_seconds_are_read_as_any_other_way_of_writing_them(moment: datetime) -> None:
    text = moment.isoformat(timespec="seconds")
    assert parse_instant(f"{text}Z") == parse_instant(f"{text}+00:00")


@pytest.mark.parametrize(
    "text", ["2026-13-29T18:30:00Z", "2026-1 -29T18:30:00Z", "2026-03-29T18:30:6\u0660Z"]
)
def test_what_has_the_shape_of_whole_seconds_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write an instant"):
        parse_instant(text)
