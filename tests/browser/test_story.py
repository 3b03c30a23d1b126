"""The story that the sandbox's page tells by itself, in a real browser on a real server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import CHROMIUM, Site, browsing, region, turning
from tests.cli.server import until

FAULTS = "/v1/sandbox/faults/twilio"
LATENCY = {"latency_ms": 5}

pytestmark = [
    pytest.mark.xdist_group("browser-story"),
    pytest.mark.skipif(CHROMIUM is None, reason="absent: chromium"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with browsing(tmp_path_factory.mktemp("story") / "data") as site:
        yield site


def asked(site: Site, **how: Any) -> Page:
    """Open the page as one is told to, to see the story."""
    page = site.context(**how).new_page()
    page.goto(f"{site.address}/sandbox?demo=1#key={site.key}")
    return page


def step(page: Page, n: int) -> None:
    """Go on to a step, and wait until it is done."""
    page.get_by_role("button", name="Next step").click()
    expect(page.get_by_text(f"Step {n} of 12")).to_be_visible()
    ready = page.get_by_role("button", name="Next step")
    if n < 12:
        expect(ready).to_have_attribute("aria-disabled", "false")


def test_it_begins_by_itself_in_an_empty_sandbox_and_can_be_paused(site: Site) -> None:
    page = asked(site)
    story = region(page, "A story that plays by itself")
    expect(story.get_by_text("Step 2 of 12")).to_be_visible()
    # Who has the keys is told by a live region, and nobody's focus is moved.
    expect(story.get_by_role("status")).to_contain_text("parcel is on its way")
    assert page.evaluate("document.activeElement === document.body")
    story.get_by_role("button", name="Pause").click()
    expect(story.get_by_role("button", name="Play")).to_be_focused()
    parcel = region(page, "Inbox").get_by_role("heading", name="Parcel 1 is on its way")
    expect(parcel).to_be_visible()
    page.context.close()


def test_it_is_told_to_its_end_and_leaves_the_dials_as_they_were(site: Site) -> None:
    site.call("PUT", FAULTS, LATENCY)
    failures: list[str] = []
    page = asked(site, viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    page.on("pageerror", lambda error: failures.append(str(error)))
    story = region(page, "A story that plays by itself")
    # Whoever wants no motion, or has something in the sandbox already, is asked first.
    expect(story.get_by_role("button", name="Play")).to_be_visible()
    expect(story.get_by_text(re.compile("Step"))).to_have_count(0)
    says = story.get_by_role("status")
    step(page, 1)
    step(page, 2)
    step(page, 3)
    expect(page.frame_locator("iframe").get_by_role("heading", name="Parcel 1")).to_be_visible()
    step(page, 4)
    step(page, 5)
    expect(says).to_contain_text("did not get it by email because it was read")
    step(page, 6)
    step(page, 7)
    expect(region(page, "Calls").get_by_text("Ringing")).to_be_visible()
    step(page, 8)
    expect(says).to_contain_text("did not get it by sms because it was acknowledged")
    expect(region(page, "Calls").get_by_text("Answered, and pressed 1")).to_be_visible()
    step(page, 9)
    expect(page.locator("#vendor-twilio")).to_contain_text("20429: 100 %")
    assert site.call("GET", FAULTS)["errors"] == {"20429": 1.0}
    step(page, 10)
    assert site.call("GET", FAULTS)["latency_ms"] == LATENCY["latency_ms"]
    bubbles = region(page, "Messages").locator(".bubble:not(.refused)")
    expect(bubbles.get_by_text("Your code is 4711.")).to_have_count(1)
    step(page, 11)
    expect(says).to_contain_text("on the suppression list")
    step(page, 12)
    expect(story.get_by_role("button", name="Play again")).to_be_visible()
    assert page.url == f"{site.address}/sandbox#person=demo-ana"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert failures == []
    page.context.close()


def test_who_closes_it_halfway_finds_the_dials_as_they_were(site: Site) -> None:
    site.call("PUT", FAULTS, LATENCY)
    page = site.open()
    page.get_by_role("button", name="Story").click()
    story = region(page, "A story that plays by itself")
    expect(story.get_by_role("button", name="Play")).to_be_focused()
    for n in range(1, 10):
        step(page, n)
    story.get_by_role("button", name="Close").click()
    expect(story).to_be_hidden()
    expect(page.get_by_role("button", name="Story")).to_be_focused()
    until("the dial", turning(page, lambda: site.call("GET", FAULTS)["errors"] == {}))
    assert site.call("GET", FAULTS)["latency_ms"] == LATENCY["latency_ms"]
    page.context.close()
