"""Bytes as text that is copied and pasted: one text for some bytes, and no other."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.base64url import base64url, read_base64url


@given(st.binary(max_size=64))
def test_what_was_written_is_read(raw: bytes) -> None:
    text = base64url(raw)
    assert read_base64url(text) == raw
    assert text.replace("-", "").replace("_", "").isalnum() or not raw


@given(st.text(st.sampled_from("AQBgwz09-_+/= ü\n"), max_size=8))
def test_nothing_else_is_read(text: str) -> None:
    with suppress(ValueError):
        assert base64url(read_base64url(text)) == text


@pytest.mark.parametrize("text", ["QQ==", "QR", "Q", "+/8", "Q Q", "QQ\n", "Qü"])
def test_texts_that_mean_the_same_bytes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_base64url(text)
