"""Paths into JSON: what is read out of the text is what is found in its value."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.paths import MISSING, lookup, path_reader

NAMES = st.sampled_from(["a", "b", "0", "1"])
VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | st.sampled_from(["", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.lists(NAMES, min_size=1, max_size=3).map(tuple))
def test_a_reader_finds_what_lookup_finds(value: object, parts: tuple[str, ...]) -> None:
    found = path_reader(parts)(msgspec.json.encode(value))
    assert found == lookup(value, parts)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"a":{"b":null}}', None),
        (b'{"a":{}}', MISSING),
        (b'{"c":[{"b":2}],"a":{"b":[7]}}', [7]),
        (b'{"a":[{"b":2}]}', MISSING),
        (b"7", MISSING),
    ],
)
def test_what_is_null_is_told_from_what_is_missing(text: bytes, found: object) -> None:
    assert path_reader(("a", "b"))(text) == found
