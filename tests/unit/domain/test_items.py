"""What an item may link to."""

from __future__ import annotations

import pytest

from tocsin.domain.items import LINK_CHARACTERS_MAX, ItemAction, action, link


@pytest.mark.parametrize(
    "address",
    [
        "https://shop.example/o/1",
        "/orders/1",
        "shop-app://order/1",
        "mailto:shop@example.com",
        "?a:b",
    ],
)
def test_a_link_leads_to_a_page_or_into_an_app(address: str) -> None:
    assert link(address) == address
    assert action("Open", address) == ItemAction("Open", address)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        " JavaScript:alert(1)",
        "java\tscript:alert(1)",
        "\x00javascript\n:alert(1)",
        "vbscript:x",
        "data:text/html,<script>alert(1)</script>",
        "https://shop.example/" + "x" * LINK_CHARACTERS_MAX,
        "",
    ],
)
def test_a_link_that_would_run_or_is_cut_off_is_left_out(address: str) -> None:
    assert link(address) is None
    assert action("Open", address) is None
