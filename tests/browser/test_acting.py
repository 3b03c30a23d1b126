"""Acting as the recipient on the sandbox's page: what is done there is what she would have done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import CHROMIUM, Site, browsing, region, turning
from tests.cli.server import until

NEWS = {
    "key": "news",
    "category": "news",
    "steps": [
        {
            "channel": "email",
            "subject": "News {{ data.n }}",
            "html": '<h1>News {{ data.n }}</h1><p><a href="https://shop.example/a">Read on</a></p>',
        }
    ],
}
BELL = {
    "key": "bell",
    "lane": "critical",
    "steps": [
        {"channel": channel, "title": "Bell {{ data.n }}", "body": "It rings"}
        for channel in ("inbox", "push", "sms")
    ]
    + [{"channel": "voice", "body": "It rings"}],
}
AWAY_MS = 31_000

pytestmark = [
    pytest.mark.xdist_group("browser-acting"),
    pytest.mark.skipif(CHROMIUM is None, reason="absent: chromium"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("acting") / "data"
    followed = {"TOCSIN_TRACKING__OPENS": "true", "TOCSIN_TRACKING__CLICKS": "true"}
    with browsing(folder, **followed) as site:
        for each in (NEWS, BELL):
            site.publish(each)
        yield site


def happens(site: Site, what: str, recipient: str, n: int) -> str:
    document = {"type": what, "to": [recipient], "data": {"n": n}}
    found: str = site.call("POST", "/v1/events", document)["events"][0]["id"]
    return found


def act_as(page: Page, recipient: str) -> None:
    page.get_by_role("button", name=re.compile(f"^{recipient} ")).click()
    page.get_by_text(f"Act as {recipient}").click()


def sentence(site: Site, event: str, recipient: str) -> str:
    return str(site.call("GET", f"/v1/explain?event={event}&recipient={recipient}")["sentence"])


def test_a_letter_is_opened_followed_and_unsubscribed_by_its_own_links(site: Site) -> None:
    site.person("ana", 1)
    event = happens(site, "news", "ana", 1)
    page = site.open()
    region(page, "Mail").get_by_role("button", name=re.compile("^News 1")).click()
    letter = page.get_by_role("article").filter(has=page.get_by_role("heading", name="News 1"))
    letter.get_by_role("button", name="Load pictures").click()
    expect(letter.get_by_text("Opened: the picture was loaded.")).to_be_visible()
    letter.get_by_role("button", name="Follow a link").click()
    expect(letter.get_by_text("Clicked: the link was followed.")).to_be_visible()
    told = turning(page, lambda: {"opened", "clicked"} <= set(site.receipts(event, "ana")))
    until("both are told", told)
    letter.get_by_role("button", name="Unsubscribe").click()
    expect(letter.get_by_text("unsubscribed her, by the letter's header")).to_be_visible()
    choices = site.call("GET", "/v1/recipients/ana/preferences")
    assert choices["categories"]["news"]["channels"] == {"email": False}
    page.context.close()


def test_she_says_what_she_wants_and_where_she_is(site: Site) -> None:
    site.person("bo", 2)
    happens(site, "bell", "bo", 1)
    page = site.open()
    expect(region(page, "Lock screen").get_by_text("Bell 1")).to_be_visible()
    act_as(page, "bo")
    push = page.get_by_role("group", name="Wants messages by").get_by_label("push")
    push.uncheck()
    expect(page.get_by_text("She does not want push.")).to_be_visible()
    page.get_by_label("Time zone").fill("Asia/Kolkata")
    page.get_by_role("button", name="Move there").click()
    expect(page.get_by_text("She is in Asia/Kolkata now.")).to_be_visible()
    assert site.call("GET", "/v1/recipients/bo")["timezone"] == "Asia/Kolkata"
    page.get_by_label("Time zone").fill("Nowhere/Else")
    page.get_by_role("button", name="Move there").click()
    expect(page.get_by_role("status").filter(has_text="timezone")).to_be_visible()
    event = happens(site, "bell", "bo", 2)
    expect(region(page, "Messages").get_by_text("Bell 2")).to_be_visible()
    until("why", turning(page, lambda: "did not get it by push" in sentence(site, event, "bo")))
    page.reload()
    page.get_by_text("Act as bo").click()
    expect(push).not_to_be_checked()
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Kolkata")
    page.context.close()


def test_a_push_is_swiped_away_and_told_to_nobody(site: Site) -> None:
    site.person("cleo", 3)
    event = happens(site, "bell", "cleo", 1)
    page = site.open()
    page.get_by_role("button", name=re.compile("^cleo ")).click()
    pushes = region(page, "Lock screen")
    pushes.get_by_role("button", name="Swipe away").click()
    expect(pushes.get_by_text("Nothing was pushed.")).to_be_visible()
    expect(pushes.get_by_role("heading", name="Lock screen")).to_be_focused()
    expect(page.get_by_role("button", name="Show the 1 cleared")).to_be_visible()
    assert site.receipts(event, "cleo") == []
    page.context.close()


def test_who_is_offline_gets_it_later_and_her_network_says_so(site: Site) -> None:
    site.person("dan", 4)
    page = site.context().new_page()
    page.clock.install()
    page.goto(f"{site.address}/sandbox#person=dan&key={site.key}")
    page.get_by_text("Act as dan").click()
    inbox = region(page, "Inbox")
    expect(inbox.get_by_text("0 unread · Live")).to_be_visible()
    page.get_by_role("button", name="Go offline for 30 s").click()
    expect(page.get_by_role("button", name=re.compile("^Back in"))).to_be_visible()
    expect(inbox.get_by_text("Offline.")).to_be_visible()
    event = happens(site, "bell", "dan", 1)
    until("the call rings in vain", turning(page, lambda: _told(site, event)))
    for part in ("Lock screen", "Messages", "Calls"):
        shown = region(page, part).get_by_text(re.compile("Bell 1|Ringing"))
        expect(shown.filter(visible=True)).to_have_count(0)
    assert "delivered" not in site.receipts(event, "dan")
    page.clock.fast_forward(AWAY_MS)
    for part in ("Lock screen", "Messages"):
        bell = region(page, part).get_by_text("Bell 1").filter(visible=True)
        expect(bell).to_have_count(1)
    expect(region(page, "Calls").get_by_text("Missed: the phone was offline")).to_be_visible()
    expect(inbox.get_by_text("1 unread · Live")).to_be_visible()
    told = turning(page, lambda: "delivered" in site.receipts(event, "dan"))
    until("the network says so", told)
    page.context.close()


def _told(site: Site, event: str) -> bool:
    path = "/v1/sandbox/messages?recipient=dan"
    channels: set[Any] = {each["channel"] for each in site.call("GET", path)["messages"]}
    return {"push", "sms", "voice"} <= channels and site.receipts(event, "dan") != []
