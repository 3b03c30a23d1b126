"""Every page that people see, looked at by axe-core: light and dark, wide and on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessible import LOOKS, sideways, violations
from tests.browser.shop import Shop, ShopServer, shopping
from tests.browser.site import CHROMIUM, Site, region, turning
from tests.cli.server import until

Scheme = Literal["light", "dark"]
EVERYWHERE = {
    "key": "alarm",
    "category": "alarms",
    "lane": "critical",
    "steps": [
        {"channel": "inbox", "title": "Alarm", "body": "It rings", "url": "/alarm"},
        {"channel": "push", "title": "Alarm", "body": "It rings"},
        {"channel": "sms", "body": "It rings"},
        {"channel": "email", "subject": "Alarm", "html": "<h1>Alarm</h1><p>It rings.</p>"},
        {"channel": "chat", "title": "Alarm", "body": "It rings"},
        {"channel": "webhook", "title": "Alarm", "body": "It rings"},
        {"channel": "voice", "body": "It rings."},
    ],
}

pytestmark = [
    pytest.mark.xdist_group("browser-accessible"),
    pytest.mark.skipif(CHROMIUM is None, reason="absent: chromium"),
    pytest.mark.timeout(240),
    pytest.mark.parametrize(("scheme", "width"), LOOKS),
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, ShopServer]]:
    with shopping(tmp_path_factory.mktemp("accessible") / "data") as both:
        site, _ = both
        site.publish(EVERYWHERE)
        site.person("ana", 1)
        event = {"type": "alarm", "to": ["ana"]}
        site.call("POST", "/v1/events", event)
        yield both


def look(scheme: Scheme, width: int) -> dict[str, Any]:
    return {"color_scheme": scheme, "viewport": {"width": width, "height": 844}}


def fine(page: Page) -> None:
    assert violations(page) == []
    assert sideways(page) == 0


def test_the_inbox_on_a_page(both: tuple[Site, ShopServer], scheme: Scheme, width: int) -> None:
    site, shops = both
    for folder in ("full", "bell"):
        shop = Shop(site, shops.origin, "ana", folder=folder, **look(scheme, width))
        page = shop.open()
        if folder == "bell":
            page.get_by_role("button", name=re.compile("^Notifications, 1 unread")).click()
        expect(page.get_by_role("heading", name="Alarm")).to_be_visible()
        fine(page)
        if folder == "full":
            page.get_by_role("button", name="Preferences").click()
            expect(page.get_by_role("group", name="Orders")).to_be_visible()
            fine(page)
        page.context.close()


def test_the_page_of_the_sandbox(both: tuple[Site, ShopServer], scheme: Scheme, width: int) -> None:
    site, _ = both
    page = site.open(**look(scheme, width))
    page.get_by_role("button", name=re.compile("^ana ")).click()
    expect(region(page, "Inbox").get_by_role("heading", name="Alarm")).to_be_visible()
    sms = region(page, "Messages")
    expect(sms.get_by_text("It rings")).to_be_visible()
    fine(page)
    sms.get_by_role("button", name="Inspect").click()
    expect(page.get_by_role("heading", name="In the ledger")).to_be_visible()
    fine(page)
    page.context.close()


def test_the_pages_behind_a_letters_link(
    both: tuple[Site, ShopServer], scheme: Scheme, width: int
) -> None:
    site, _ = both
    page = site.context(**look(scheme, width)).new_page()
    until("the letter is there", turning(page, lambda: len(letters(site)) > 0))
    found = re.search(r"http://\S+/u/\S+", letters(site)[0]["content"]["text"])
    assert found is not None
    page.goto(found[0])
    fine(page)
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    fine(page)
    page.goto(f"{site.address}/u/unknown")
    fine(page)
    page.context.close()


def letters(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.call("GET", "/v1/sandbox/messages?channel=email")["messages"]
    return found
