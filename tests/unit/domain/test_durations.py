"""Durations are read strictly and printed so that they read the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [
        ("250ms", 250),
        ("30s", 30_000),
        ("15m", 900_000),
        ("24h", 86_400_000),
        ("2d", 172_800_000),
        ("1w", 604_800_000),
        ("1h30m", 5_400_000),
        ("1m250ms", 60_250),
        (" 5s ", 5_000),
        ("0s", 0),
    ],
)
def test_a_duration_is_read_in_milliseconds(text: str, duration_ms: int) -> None:
    assert parse_duration(text) == duration_ms


@pytest.mark.parametrize(
    "text",
    ["", "5", "s", "-5s", "1.5h", "5 s", "1m1h", "1s1s", "5y", "PT5S", "5S", "٣s", "9" * 16 + "s"],
)
def test_what_is_no_duration_is_refused_with_the_form_to_use(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 30s"):
        parse_duration(text)


def test_a_refusal_shows_only_the_beginning_of_a_long_text() -> None:
    with pytest.raises(ValueError, match="not a duration") as refused:
        parse_duration("x" * 10_000)
    assert len(str(refused.value)) < 200


@given(st.integers(min_value=0, max_value=10**14))
def test_what_is_printed_reads_as_the_same_duration(duration_ms: int) -> None:
    assert parse_duration(format_duration(duration_ms)) == duration_ms


@pytest.mark.parametrize(
    ("duration_ms", "text"), [(0, "0s"), (90_000, "1m30s"), (90 * 86_400_000, "90d"), (1, "1ms")]
)
def test_a_duration_is_printed_in_its_largest_units(duration_ms: int, text: str) -> None:
    assert format_duration(duration_ms) == text
