"""Links of a page are exchanged, and nothing else of it."""

from __future__ import annotations

import pytest

from tocsin.domain.followed_pages import (
    TARGET_CHARACTERS_MAX,
    web_address,
    with_followed_links,
    with_picture,
)


def followed(target: str) -> str:
    return f"https://t.example/?a&to={target}"


@pytest.mark.parametrize(
    ("page", "exchanged"),
    [
        (
            '<a href="https://shop.test/?a=1&amp;b=2">x</a>',
            '<a href="https://t.example/?a&amp;to=https://shop.test/?a=1&amp;b=2">x</a>',
        ),
        (
            "<A class='a > b' HREF='http://shop.test'>x</A>",
            "<A class='a > b' HREF=\"https://t.example/?a&amp;to=http://shop.test\">x</A>",
        ),
        (
            '<a href="https://münchen.test/ü?q=ä b">x</a>',
            '<a href="https://t.example/?a&amp;to=https://m%C3%BCnchen.test/%C3%BC?q=%C3%A4%20b">x</a>',
        ),
    ],
)
def test_a_link_leads_over_the_server(page: str, exchanged: str) -> None:
    assert with_followed_links(page, followed) == exchanged


@pytest.mark.parametrize(
    "page",
    [
        '<a href="mailto:ana@shop.test">x</a>',
        '<a href="#top">x</a>',
        '<a href="/relative">x</a>',
        '<a href="javascript:alert(1)">x</a>',
        '<a href="">x</a>',
        '<a href="http://[">x</a>',
        '<link href="https://shop.test/style.css">',
        '<img src="https://shop.test/x.png">',
        "https://shop.test in the text",
        '<abbr href="https://shop.test">x</abbr>',
        '<a href="https://shop.test/' + "x" * TARGET_CHARACTERS_MAX + '">x</a>',
        "<!--tocsin:unsubscribe-->",
    ],
)
def test_all_else_stays_as_it_is(page: str) -> None:
    assert with_followed_links(page, followed) == page


def test_a_page_that_never_ends_takes_no_time() -> None:
    page = "<a " + 'b="c" ' * 40_000
    assert with_followed_links(page, followed) == page


@pytest.mark.parametrize(
    ("page", "begin", "end"),
    [
        ("<body><p>x</p></body></html>", "<body><p>x</p><img ", "></body></html>"),
        ("<p>x</p>", "<p>x</p><img ", ">"),
    ],
)
def test_the_picture_is_at_the_end(page: str, begin: str, end: str) -> None:
    shown = with_picture(page, 'https://t.example/?a=1&b="')
    assert shown.startswith(begin)
    assert shown.endswith(end)
    assert 'src="https://t.example/?a=1&amp;b=&quot;"' in shown


def test_an_address_becomes_ascii_on_one_line() -> None:
    assert web_address("https://shop.test/a\r\nb: c") == "https://shop.test/a%0D%0Ab:%20c"
