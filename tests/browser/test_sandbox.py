"""The sandbox's page in a real browser, on a real server: what arrives is seen, and answered."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from email import message_from_bytes, policy

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.site import CHROMIUM, Site, browsing, region, turning
from tests.cli.server import PATIENCE_S, until

NARROW_PX = 390
HOSTILE = """<h1>Prize</h1><script>parent.broken = 1</script>
<img src="https://track.example/x.gif" onerror="parent.broken = 1">
<link rel="stylesheet" href="https://track.example/x.css">
<a href="https://track.example/claim" target="_top">Claim it</a>
<form action="https://track.example/form"><button>Send it</button></form>"""
WORKFLOW = {
    "key": "site.down",
    "category": "alerts",
    "lane": "critical",
    "steps": [
        {"channel": "inbox", "title": "{{ data.site }} is down", "body": "Since a minute ago"},
        {"channel": "push", "title": "{{ data.site }} is down", "body": "Tap for more"},
        {"channel": "sms", "body": "{{ data.site }} is down"},
        {
            "channel": "email",
            "subject": "{{ data.site }} is down",
            "html": '<h1>{{ data.site }}</h1><p style="color: red">It is <b>down</b>.</p>',
        },
        {"channel": "chat", "title": "{{ data.site }}", "body": "It is *down*."},
        {"channel": "webhook", "title": "{{ data.site }} is down", "body": "Hook"},
        {"channel": "voice", "body": "{{ data.site }} is down."},
        {"wait": {"for": "30m", "unless": "acknowledged"}},
        {"channel": "sms", "name": "again", "body": "{{ data.site }} is still down"},
    ],
}
LATER = {
    "key": "site.up",
    "steps": [
        {"channel": "sms", "body": "{{ data.site }} is up"},
        {"delay": "30m"},
        {"channel": "sms", "name": "again", "body": "{{ data.site }} is still up"},
    ],
}
DISK = {
    "key": "disk",
    "steps": [
        {
            "channel": "chat",
            "title": "Disk {{ data.n }} %",
            "body": "It is nearly full",
            "collapse_key": "disk",
            "actions": [{"label": "Runbook", "url": "https://ops.example/disk"}],
        },
        {"wait": {"for": "30m", "unless": "acknowledged"}},
        {"channel": "email"},
    ],
}

pytestmark = [
    pytest.mark.xdist_group("browser-sandbox"),
    pytest.mark.skipif(CHROMIUM is None, reason="absent: chromium"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with browsing(tmp_path_factory.mktemp("browser") / "data") as site:
        for each in (WORKFLOW, LATER):
            site.publish(each)
        yield site


def test_every_channel_is_seen_as_it_arrives(site: Site) -> None:
    page = site.open()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    site.person("ana", 1)
    site.send("ana", "shop.example")
    expect(region(page, "Lock screen").get_by_text("shop.example is down")).to_be_visible()
    expect(region(page, "Messages").get_by_text("shop.example is down")).to_be_visible()
    expect(region(page, "Calls").get_by_text("Ringing")).to_be_visible()
    expect(region(page, "Chat").get_by_text("It is")).to_be_visible()
    expect(region(page, "Webhooks").get_by_text("shop.example is down")).to_be_visible()
    expect(region(page, "Inbox").get_by_text("shop.example is down")).to_be_visible()
    region(page, "Mail").get_by_role("button", name="shop.example is down").click()
    letter = page.frame_locator("iframe")
    expect(letter.get_by_role("heading", name="shop.example")).to_be_visible()
    # On one line, however little room there is: a label broken in two cannot be read.
    heights = [each.bounding_box() for each in page.get_by_role("tab").all()]
    assert {box["height"] < 40 for box in heights if box is not None} == {True}
    page.get_by_role("tab", name="HTML").press("ArrowRight")
    expect(page.get_by_role("tabpanel", name="Text")).to_contain_text("It is down")
    page.get_by_role("tab", name="Source").click()
    expect(page.get_by_role("tabpanel", name="Source")).to_contain_text("MIME-Version")
    assert failures == []
    page.context.close()


def test_a_chat_shows_what_replaced_what_and_tells_links_from_buttons(site: Site) -> None:
    page = site.open()
    site.person("ivy", 9)
    site.publish(DISK)
    for n in (90, 95):
        site.call("POST", "/v1/events", {"type": "disk", "to": ["ivy"], "data": {"n": n}})
        expect(region(page, "Chat").get_by_text(f"Disk {n} %")).to_be_visible()
    messages = region(page, "Chat").get_by_role("listitem").filter(has_text="Disk")
    expect(messages.nth(0)).to_have_class("replaced")
    expect(messages.nth(1)).to_contain_text("edited")
    expect(messages.nth(1)).to_contain_text("Runbook: https://ops.example/disk")
    buttons = messages.nth(1).get_by_role("button")
    expect(buttons).to_have_text(["Inspect", "Acknowledge"])
    page.context.close()


def test_keys_lead_through_the_page_unless_something_is_typed(site: Site) -> None:
    page = site.open()
    site.person("joe", 10)
    site.send("joe", "keys.example")
    page.get_by_role("button", name=re.compile("^joe ")).click()
    expect(region(page, "Messages").get_by_text("keys.example is down")).to_be_visible()
    page.keyboard.type("gm")
    expect(page.get_by_role("heading", name="Mail")).to_be_focused()
    page.keyboard.press("j")
    expect(page.get_by_role("button", name=re.compile("^keys.example is down"))).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Inspector")).to_be_focused()
    page.keyboard.press("a")
    expect(page.get_by_label("Go on by")).to_be_focused()
    page.get_by_label("Go on by").fill("")
    page.keyboard.type("gmn?")
    expect(page.get_by_label("Go on by")).to_have_value("gmn?")
    page.get_by_role("heading", name="Inspector").focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Shortcuts")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Shortcuts are on").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("n")
    expect(page.get_by_label("To the recipient")).to_be_hidden()
    page.reload()
    page.get_by_role("button", name="Shortcuts").click()
    expect(dialog.get_by_label("Shortcuts are on")).not_to_be_checked()
    page.context.close()


def test_a_letter_is_kept_as_a_file(site: Site) -> None:
    page = site.open()
    site.person("kim", 11)
    site.send("kim", "file.example")
    region(page, "Mail").get_by_role("button", name=re.compile("^file.example is down")).click()
    with page.expect_download() as told:
        page.get_by_role("button", name="Download .eml").click()
    kept = message_from_bytes(told.value.path().read_bytes(), policy=policy.default)
    assert told.value.suggested_filename.endswith(".eml")
    assert kept["subject"] == "file.example is down"
    assert kept["to"] == "kim@example.com"
    # Whoever looks at somebody else sees no letter of hers any more.
    site.person("lou", 13)
    site.send("lou", "other.example")
    page.get_by_role("button", name=re.compile("^lou ")).click()
    expect(page.get_by_role("button", name="Download .eml")).to_be_hidden()
    expect(page.locator("iframe")).to_have_count(0)
    page.context.close()


def test_who_looks_is_told_that_the_server_is_gone_and_misses_nothing(site: Site) -> None:
    page = site.open()
    site.person("lea", 12)
    page.route("**/v1/**", lambda route: route.abort())
    banner = page.get_by_role("banner")
    expect(banner.get_by_text("No answer from the server since")).to_be_visible()
    site.send("lea", "gone.example")
    page.unroute("**/v1/**")
    expect(banner.get_by_text("Live")).to_be_visible()
    expect(region(page, "Messages").get_by_text("gone.example is down")).to_be_visible()
    page.context.close()


def test_a_key_pressed_in_a_call_acknowledges(site: Site) -> None:
    page = site.open()
    site.person("bo", 2)
    event = site.send("bo", "api.example")
    page.get_by_role("button", name=re.compile("^bo ")).click()
    calls = region(page, "Calls")
    calls.get_by_role("button", name="Decline").click()
    expect(calls.get_by_text("Declined")).to_be_visible()
    site.call("POST", "/v1/sandbox/clock", {"advance": "5m"})
    expect(calls.locator(".ringing:visible")).to_have_count(1)
    calls.get_by_role("button", name="Press 1").click()
    expect(calls.get_by_text("Answered, and pressed 1")).to_be_visible()
    expect(calls.get_by_text("api.example is down.")).to_be_visible()
    until("a receipt", turning(page, lambda: "acknowledged" in site.receipts(event, "bo")))
    calls.get_by_role("button", name=re.compile("Inspect voice")).first.click()
    inspector = page.get_by_role("complementary", name="Inspector")
    inspector.get_by_role("button", name="Look again").click()
    told = inspector.get_by_role("list", name="What was tried and reported")
    expect(told.get_by_text("receipt, acknowledged")).to_be_visible()
    page.reload()
    page.get_by_role("button", name=re.compile("^bo ")).click()
    expect(calls.get_by_text("Over: delivered")).to_be_visible()
    expect(calls.locator(".ringing:visible")).to_have_count(0)
    page.context.close()


def test_a_dial_is_turned_and_a_reply_is_said(site: Site) -> None:
    page = site.open()
    site.person("cleo", 3)
    vendors = region(page, "Vendors")
    vendors.locator("summary", has_text="twilio").filter(has_text="sms").click()
    vendors.get_by_label("Latency, ms").fill("50")
    vendors.get_by_label("Errors", exact=True).select_option("21610")
    vendors.get_by_role("button", name="Add").click()
    vendors.get_by_label(re.compile("^21610")).fill("100")
    vendors.get_by_role("button", name="Turn").click()
    expect(vendors.get_by_text("50 ms, 21610: 100 %")).to_be_visible()
    assert site.call("GET", "/v1/sandbox/faults/twilio")["errors"] == {"21610": 1.0}
    site.send("cleo", "blog.example")
    refused = region(page, "Messages").locator(".refused")
    expect(refused.get_by_text("blog.example is down")).to_be_visible()
    vendors.get_by_role("button", name="All as usual").click()
    until(
        "the dial",
        turning(page, lambda: site.call("GET", "/v1/sandbox/faults/twilio")["errors"] == {}),
    )
    page.context.close()


def test_the_clock_is_advanced(site: Site) -> None:
    page = site.open()
    site.person("dan", 4)
    site.send("dan", "docs.example", "site.up")
    expect(region(page, "Messages").get_by_text("docs.example is up")).to_be_visible()
    page.get_by_label("Go on by").fill("31m")
    page.get_by_role("button", name="Advance").click()
    expect(page.get_by_text("Moved on")).to_be_visible()
    expect(region(page, "Messages").get_by_text("docs.example is still up")).to_be_visible()
    page.context.close()


def test_a_message_sent_by_hand_is_there_and_read(site: Site) -> None:
    page = site.open()
    site.person("hal", 8)
    page.get_by_text("Send a message").click()
    page.get_by_label("To the recipient").fill("hal")
    page.get_by_label("Title").fill("Good morning")
    page.get_by_role("group", name="On the channels").get_by_label("chat").check()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("Sent to hal.")).to_be_visible()
    page.get_by_role("button", name=re.compile("^hal ")).click()
    for part in ("Lock screen", "Messages", "Mail", "Chat", "Inbox"):
        expect(region(page, part).get_by_text("Good morning").first).to_be_visible()
    expect(region(page, "Webhooks").get_by_text("No webhooks.")).to_be_visible()
    inbox = region(page, "Inbox")
    inbox.get_by_role("button", name="Mark read").click()
    expect(inbox.get_by_text("0 unread")).to_be_visible()
    page.context.close()


def test_it_is_narrow_dark_and_reached_by_keys(site: Site) -> None:
    screen = {"width": NARROW_PX, "height": 844}
    page = site.open(viewport=screen, color_scheme="dark")
    site.person("eva", 5)
    site.send("eva", "wiki.example-with-a-long-name-that-has-to-be-broken.example")
    expect(region(page, "Lock screen").get_by_text("wiki.example").first).to_be_visible()
    page.get_by_role("button", name=re.compile("Inspect push")).first.click()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= NARROW_PX, f"{width} px wide"
    page.evaluate("document.querySelector('details.vendor').open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW_PX
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 19, 23)"
    for role in ("banner", "main"):
        expect(page.get_by_role(role)).to_have_count(1)
    expect(page.get_by_role("banner").get_by_role("link", name="Skip to")).to_have_count(1)
    assert _unnamed(page) == []
    assert _cramped(page) == []
    page.goto(f"{site.address}/sandbox")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to what arrived")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name=re.compile("Phone"))).to_be_focused()
    page.context.close()


def _unnamed(page: Page) -> list[str]:
    """Controls of which a screen reader could not say what they are."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, iframe")]
            .filter((each) => each.checkVisibility())
            .filter((each) => !(each.labels?.length || each.textContent.trim() || each.title
                || each.getAttribute("aria-label")))
            .map((each) => each.outerHTML)"""
    )
    return found


def _cramped(page: Page) -> list[str]:
    """Controls around whose middle 24 px meet another one beside them (WCAG 2.2, 2.5.8)."""
    found: list[str] = page.evaluate(
        """() => {
            const all = [...document.querySelectorAll("button, input, select, a, summary")]
                .filter((each) => each.checkVisibility())
                .map((each) => [each, each.getBoundingClientRect()]);
            const small = all.filter(([, { width, height }]) => width < 24 || height < 24);
            const near = ({ left, right, top, bottom }, x, y) => Math.hypot(
                Math.max(left - x, 0, x - right), Math.max(top - y, 0, y - bottom)) < 12;
            const beside = (one, other) => other !== one
                && one.closest("li, .row, fieldset")?.contains(other);
            return small.filter(([one, { left, right, top, bottom }]) => all.some(([other, its]) =>
                beside(one, other) && near(its, (left + right) / 2, (top + bottom) / 2)))
                .map(([one]) => one.outerHTML);
        }"""
    )
    return found


def test_the_key_leaves_the_address_and_a_wrong_one_opens_nothing(site: Site) -> None:
    page = site.open()
    assert page.url == f"{site.address}/sandbox"
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("history.length") <= 2
    page.context.close()
    stranger = page.context.browser
    assert stranger is not None
    other = stranger.new_context().new_page()
    other.goto(f"{site.address}/sandbox")
    for wrong in ("tk_wrong", "wröng"):
        other.get_by_label("Key").fill(wrong)
        other.get_by_role("button", name="Open").click()
        expect(other.get_by_role("alert")).not_to_be_empty()
        expect(other.locator("#channels")).to_be_hidden()
    # Locked, too, the page has one main part, in which its heading is.
    expect(
        other.get_by_role("main").get_by_role("heading", name="Open the sandbox")
    ).to_be_visible()
    expect(other.get_by_role("link")).to_have_count(0)
    other.context.close()


def test_who_starts_a_server_is_told_how_to_open_it_and_not_the_key(site: Site) -> None:
    said = site.log.read_text()
    assert f"{site.address}/sandbox#key=$(cat " in said
    assert site.key not in said


def test_a_hostile_letter_reaches_nothing(site: Site) -> None:
    page = site.open()
    asked: list[str] = []

    def reached(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body="")

    def hostile(route: Route) -> None:
        # Its headers are the server's own.
        route.fulfill(response=route.fetch(), body=HOSTILE)

    page.route("https://track.example/**", reached)
    page.route("**/sandbox/letters/*", hostile)
    site.person("gus", 7)
    site.send("gus", "evil.example")
    region(page, "Mail").get_by_role("button", name="evil.example is down").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Prize")).to_be_visible()
    frame.get_by_role("link", name="Claim it").click()
    frame.get_by_role("button", name="Send it").click()
    page.wait_for_timeout(300)
    assert page.evaluate("window.broken") is None
    assert page.url == f"{site.address}/sandbox"
    assert asked == []
    page.context.close()


def test_a_letter_has_no_rights_and_its_address_proves_itself(site: Site) -> None:
    site.person("fay", 6)
    site.send("fay", "mail.example")
    path = "/v1/sandbox/messages?channel=email&recipient=fay"
    until("a letter", lambda: bool(site.call("GET", path)["messages"]))
    (message,) = site.call("GET", path)["messages"]
    assert message["recipient"] == "fay"
    with urllib.request.urlopen(site.address + message["html_url"], timeout=PATIENCE_S) as answer:
        policy = answer.headers["content-security-policy"]
        assert b"<h1>mail.example</h1>" in answer.read()
    said = {part.strip() for part in policy.split(";")}
    assert {"sandbox", "default-src 'none'", "img-src data:"} <= said
    assert "script" not in policy
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(site.address + message["html_url"][:-4] + "AAAA", timeout=PATIENCE_S)
