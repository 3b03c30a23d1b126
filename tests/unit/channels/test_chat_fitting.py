"""What fits: never half a sign, never more than there is room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.channels.chat import CHANNEL
from tocsin.channels.chat.writing.fitting import cut, fill, plain_line, plain_lines, signs, units
from tocsin.errors import RequestRefused

FAMILY = "👩‍👩‍👧"


def units_by_encoding(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(st.text(max_size=80), st.integers(1, 60))
def test_what_was_cut_fits_and_begins_as_it_did(text: str, room: int) -> None:
    found = cut(text, room)
    assert units_by_encoding(found) <= room
    assert units(text) == units_by_encoding(text)
    if units_by_encoding(text) <= room:
        assert found == text
    else:
        assert found.endswith("…")
        assert text.startswith(found[:-1])


@given(st.lists(st.text(min_size=1, max_size=4), max_size=30), st.integers(1, 40))
def test_pieces_are_whole(pieces: list[str], room: int) -> None:
    found = fill(pieces, room)
    assert units_by_encoding(found) <= room
    starts = {"".join(pieces[:n]).rstrip() for n in range(len(pieces) + 1)}
    assert found == "".join(pieces) or found.removesuffix("…") in starts


@pytest.mark.parametrize(
    ("text", "room", "shown"),
    [
        (FAMILY + FAMILY, 10, FAMILY + "…"),
        ("ae\u0301o", 3, "a…"),
        ("👍🏽👍🏽", 5, "👍🏽…"),
        ("word word", 6, "word…"),
    ],
)
def test_a_sign_stays_whole(text: str, room: int, shown: str) -> None:
    assert cut(text, room) == shown


@given(st.text(max_size=60))
def test_signs_make_up_the_text(text: str) -> None:
    assert "".join(signs(text)) == text


def test_what_cannot_be_seen_goes() -> None:
    assert plain_lines("a\r\nb\x00c\u202ed\ud800") == "a\nbcd"
    assert plain_line(" a\n\tb  c ") == "a b c"


def test_links_that_lead_nowhere_are_left_out() -> None:
    shaped = CHANNEL.shape({"title": "t", "url": "javascript:alert(1)", "image": "https://a/b"})
    assert shaped.fields == {"image": "https://a/b"}
    assert not CHANNEL.shape({"url": "https://" + "x" * 3_000}).fields
    assert len(CHANNEL.shape({"body": "b" * 20_000}).body) == 16_000


@pytest.mark.parametrize("address", ["", "a b", "http://127.0.0.1/x", "https://10.0.0.1", "é"])
def test_what_must_not_be_called_is_refused(address: str) -> None:
    with pytest.raises(RequestRefused):
        CHANNEL.check_address(address)


@pytest.mark.parametrize("address", ["C0123", "#ops", "-100123", "https://hooks.slack.com/x"])
def test_what_may_be_called_stays_as_it_is(address: str) -> None:
    assert CHANNEL.check_address(address) == address
