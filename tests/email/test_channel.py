"""What the channel makes of a step's fields, and which addresses it lets be called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.app.addresses import normal_email
from tocsin.channels.email import CHANNEL
from tocsin.channels.email.writing.addresses import wire_address
from tocsin.channels.email.writing.plain import plain_text
from tocsin.errors import RequestRefused

PAGE = """<!doctype html><html><head><title>no</title><style>p { color: red }</style></head>
<body><h1>Your   order</h1><p>It is <b>on</b> its way &amp; due&nbsp;soon.<br>Track it
<a href="https://shop.example/t?a=1&amp;b=2">here</a> or at <a href="https://shop.example/">
https://shop.example/</a>.</p><ul><li>One</li><li>Two</li></ul><script>if (a < b) x("</p>")</script>
<!-- <p>hidden</p> --><img src="x" alt="A map"><table><tr><td>a</td><td>b</td></tr></table>
<p title="a > b">1 < 2</p></body></html>"""


def test_title_and_body_become_subject_text_and_a_page() -> None:
    content = CHANNEL.shape(
        {"title": "A <b> & c", "body": "one\ntwo\n\nthree", "preheader": "soon"}
    )
    assert content.fields["subject"] == "A <b> & c"
    assert content.fields["text"] == "A <b> & c\n\none\ntwo\n\nthree"
    page = content.fields["html"]
    assert "A &lt;b&gt; &amp; c" in page
    assert "one<br>two" in page
    assert page.count("<p ") == 2
    assert ">soon</div>" in page
    assert "prefers-color-scheme:dark" in page


def test_a_subject_of_its_own_heads_a_text_that_was_taken_over() -> None:
    content = CHANNEL.shape({"subject": "On its way", "title": "Order 42", "body": "By Friday."})
    assert content.fields["subject"] == "On its way"
    assert content.fields["text"] == "Order 42\n\nBy Friday."
    assert "By Friday." in content.fields["html"]


def test_a_page_alone_gets_a_text() -> None:
    content = CHANNEL.shape({"subject": "s", "html": PAGE})
    assert content.fields["html"] == PAGE
    assert content.fields["text"].startswith("Your order\n\nIt is on its way")


def test_a_part_of_a_page_is_framed_and_a_whole_one_is_left_alone() -> None:
    framed = CHANNEL.shape({"subject": "s", "html": "<p>Hi</p>"}).fields["html"]
    assert framed.startswith("<!DOCTYPE html>")
    assert "<p>Hi</p>" in framed
    whole = "<HTML><Body class='x'>Hi</body></html>"
    assert CHANNEL.shape({"html": whole}).fields["html"] == whole
    hinted = CHANNEL.shape({"html": whole, "preheader": "soon"}).fields["html"]
    assert hinted.startswith("<HTML><Body class='x'><div")


def test_a_text_alone_stays_a_text() -> None:
    content = CHANNEL.shape({"subject": "s", "text": "t\r\nu\x00"})
    assert dict(content.fields) == {"subject": "s", "text": "t\nu"}


def test_what_is_said_for_the_letter_wins_over_title_and_body() -> None:
    fields = {"title": "T", "body": "B", "subject": "S", "text": "X", "html": "<p>H</p>"}
    content = CHANNEL.shape(fields)
    assert (content.fields["subject"], content.fields["text"]) == ("S", "X")
    assert "<p>H</p>" in content.fields["html"]


def test_a_page_reads_as_text() -> None:
    assert plain_text(PAGE) == (
        "Your order\n\nIt is on its way & due\xa0soon.\nTrack it"
        " here (https://shop.example/t?a=1&b=2) or at https://shop.example/.\n\n"
        "- One\n- Two\n\nA map\na b\n\n1 < 2"
    )


@pytest.mark.parametrize(
    "hostile", ["<!--" * 60_000, "<script>" * 30_000, '<a title="' * 26_000, "<" * 262_000]
)
def test_a_hostile_page_takes_no_longer_than_another(hostile: str) -> None:
    # Quadratic work would be minutes, and the test's own limit would end it.
    assert len(plain_text(hostile)) <= len(hostile)


@given(st.text(max_size=200))
def test_a_text_without_marks_stays(text: str) -> None:
    shown = plain_text(text.replace("<", "").replace("&", ""))
    assert shown.split() == text.replace("<", "").replace("&", "").split()


@pytest.mark.parametrize(
    "address", ["ana@example.com", "a.b+c@sub.example.org", "anä@bücher.example", "o'x@example.com"]
)
def test_an_address_may_be_called(address: str) -> None:
    assert CHANNEL.check_address(address) == address
    assert wire_address(address) is not None


@pytest.mark.parametrize(
    "address",
    [
        *("", "ana", "@x.example", "ana@", "a b@x.example", "a@x.example\n", "<a@x.example>"),
        *("a@x.example\r\nRCPT TO:<b@x.example>", "a@b@x.example", "a@x..example"),
        "a" * 65 + "@x.example",
    ],
)
def test_no_other_address_may(address: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        CHANNEL.check_address(address)
    assert refused.value.code == "invalid_email"
    assert wire_address(address) is None


@given(st.emails())
def test_what_was_taken_as_an_address_can_be_called(address: str) -> None:
    try:
        normal = normal_email(address)
    except RequestRefused:
        return
    assert CHANNEL.check_address(normal) == normal
    assert wire_address(normal) is not None


def test_the_frame_is_called_by_the_subject() -> None:
    shaped = CHANNEL.shape({"subject": "Your order", "html": "<p>part</p>"})
    assert "<title>Your order</title>" in shaped.fields["html"]
