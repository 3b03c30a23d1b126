"""What the sandbox's page is told to keep, clear, find and pass on, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.site import CHROMIUM, Site, browsing, region, turning
from tests.cli.server import until

pytestmark = [
    pytest.mark.xdist_group("browser-keeping"),
    pytest.mark.skipif(CHROMIUM is None, reason="absent: chromium"),
    pytest.mark.timeout(600),
]
CHOSEN = re.compile("^Choose: ")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with browsing(tmp_path_factory.mktemp("keeping") / "data") as site:
        yield site


def write(site: Site, recipient: str, *titles: str) -> None:
    """Send letters, and SMS beside them, one after the other."""
    for n, title in enumerate(titles, 1):
        content = {"title": title, "body": "Hello"}
        sent = {"recipients": [recipient], "channels": ["email", "sms"], "content": content}
        site.call("POST", "/v1/send", sent)
        path = f"/v1/sandbox/messages?recipient={recipient}&limit=500"
        until("it arrives", partial(_holds, site, path, 2 * n))


def _holds(site: Site, path: str, count: int) -> bool:
    return len(site.call("GET", path)["messages"]) == count


def letters(page: Page) -> Locator:
    return region(page, "Mail").locator("#letters button:visible")


def chosen(page: Page) -> list[str]:
    boxes = region(page, "Mail").get_by_role("checkbox", name=CHOSEN, checked=True)
    return [str(each.get_attribute("aria-label")).removeprefix("Choose: ") for each in boxes.all()]


def test_what_is_cleared_comes_back_and_what_is_pinned_stays(site: Site) -> None:
    site.person("ana", 1)
    write(site, "ana", "One", "Two")
    page = site.open()
    expect(letters(page)).to_have_count(2)
    region(page, "Messages").get_by_role("button", name="Inspect").first.click()
    pin = page.get_by_role("button", name="Pin", exact=True)
    pin.click()
    expect(pin).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_text("Cleared 3, and 1 pinned stay.")).to_be_visible()
    expect(region(page, "Mail").get_by_text("No letters.")).to_be_visible()
    expect(region(page, "Messages").get_by_text("Pinned")).to_be_visible()
    expect(page.get_by_role("button", name="Everybody 1")).to_be_visible()
    # It was only taken out of sight, until the tab is closed.
    page.reload()
    expect(region(page, "Messages").get_by_text("Pinned")).to_be_visible()
    expect(region(page, "Mail").get_by_text("No letters.")).to_be_visible()
    page.get_by_role("button", name="Show the 3 cleared").click()
    expect(letters(page)).to_have_count(2)
    expect(page.get_by_role("button", name=re.compile("^Show the"))).to_be_hidden()
    page.context.close()


def test_a_range_of_letters_is_chosen_by_mouse_and_by_keys(site: Site) -> None:
    site.person("bo", 2)
    write(site, "bo", "A", "B", "C", "D")
    page = site.open()
    page.get_by_role("button", name=re.compile("^bo ")).click()
    expect(letters(page)).to_have_count(4)
    before = int(re.findall(r"\d+", page.title())[0])
    letters(page).nth(0).click()
    expect(page).to_have_title(re.compile(rf"^\({before - 1}\) "))
    letters(page).nth(2).click(modifiers=["Shift"])
    assert chosen(page) == ["D", "C", "B"]
    letters(page).nth(3).click(modifiers=["ControlOrMeta"])
    assert chosen(page) == ["D", "C", "B", "A"]
    page.keyboard.press("Escape")
    assert chosen(page) == []
    letters(page).nth(1).focus()
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    assert chosen(page) == ["C", "B", "A"]
    page.keyboard.press("Shift+ArrowUp")
    assert chosen(page) == ["C", "B"]
    expect(letters(page).nth(2)).to_be_focused()
    expect(page.get_by_text("2 of 4 chosen")).to_be_visible()
    bar = page.get_by_role("group", name="With the letters chosen")
    bar.get_by_role("button", name="Mark read", exact=True).click()
    expect(page).to_have_title(re.compile(rf"^\({before - 3}\) "))
    assert str(page.locator("link[rel=icon]").get_attribute("href")).startswith("data:image/png")
    bar.get_by_role("button", name="Mark unread").click()
    expect(page).to_have_title(re.compile(rf"^\({before - 1}\) "))
    bar.get_by_role("button", name="Clear").click()
    expect(letters(page)).to_have_count(2)
    expect(page.get_by_role("checkbox", name="All", exact=True)).to_be_focused()
    page.context.close()


def test_a_link_leads_whoever_has_the_key_to_the_person_and_the_message(site: Site) -> None:
    site.person("cleo", 3)
    write(site, "cleo", "Shared")
    page = site.open(permissions=["clipboard-read", "clipboard-write"])
    letters(page).filter(has_text="Shared").click()
    region(page, "Mail").get_by_role("button", name="Inspect").click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Copied. Whoever opens it needs the key")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert site.key not in link
    other = site.context().new_page()
    other.goto(link)
    other.get_by_label("Key").fill(site.key)
    other.get_by_role("button", name="Open").click()
    chosen = other.get_by_role("button", name=re.compile("^cleo "))
    expect(chosen).to_have_attribute("aria-pressed", "true")
    expect(other.get_by_role("heading", name="Shared")).to_be_visible()
    expect(other.get_by_role("heading", name="Inspector")).to_be_focused()
    assert other.url == link
    other.goto(re.sub(r"smtp-\d+", "smtp-9999", link))
    expect(other.get_by_text("The message of this link is not here any more.")).to_be_visible()
    for each in (page, other):
        each.context.close()


def test_anybody_is_found_also_behind_the_newest_messages(site: Site) -> None:
    site.person("old-dan", 4)
    write(site, "old-dan", "Long ago")
    page = site.context().new_page()
    # As if there were more of everybody's than a page of answers holds.
    page.route(re.compile(r"/v1/sandbox/messages\?limit=500$"), _nothing)
    page.goto(f"{site.address}/sandbox#key={site.key}")
    expect(page.get_by_role("banner").get_by_text("Live")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("old-dan"))).to_have_count(0)
    find = page.get_by_label("Find by id or address")
    for words in ("old-", "old-dan@example.com", "+14155550004"):
        find.fill(words)
        find.press("Enter")
        expect(page.get_by_text("1 found")).to_be_visible()
        expect(page.get_by_role("list", name="Found").get_by_role("button")).to_have_text("old-dan")
    find.fill("nobody-at-all")
    find.press("Enter")
    expect(page.get_by_text("Nobody's id begins so")).to_be_visible()
    find.fill("old-dan")
    find.press("Enter")
    page.get_by_role("list", name="Found").get_by_role("button", name="old-dan").click()
    expect(letters(page)).to_have_count(1)
    expect(region(page, "Messages").get_by_text("Long ago")).to_be_visible()
    until("the address", turning(page, lambda: page.url.endswith("#person=old-dan")))
    page.context.close()


def test_whoever_looks_for_another_before_the_answer_finds_that_one(site: Site) -> None:
    site.person("new-eva", 5)
    page = site.context().new_page()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(r"/v1/recipients\?prefix=slow"), hold)
    page.goto(f"{site.address}/sandbox#key={site.key}")
    expect(page.get_by_role("banner").get_by_text("Live")).to_be_visible()
    find = page.get_by_label("Find by id or address")
    find.fill("slow")
    find.press("Enter")
    until("the first look", turning(page, lambda: bool(held)))
    find.fill("new-eva")
    find.press("Enter")
    held[0].continue_()
    expect(page.get_by_text("1 found")).to_be_visible()
    expect(page.get_by_role("list", name="Found").get_by_role("button")).to_have_text("new-eva")
    page.context.close()


def _nothing(route: Route) -> None:
    route.fulfill(json={"messages": []})
