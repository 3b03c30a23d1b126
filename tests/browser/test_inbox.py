"""``<tocsin-inbox>`` in a real browser: on a page of its own, and on that of the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.browser.shop import Shop, ShopServer, shopping
from tests.browser.site import CHROMIUM, Site, region, turning
from tests.cli.server import until

pytestmark = [
    pytest.mark.xdist_group("browser-inbox"),
    pytest.mark.skipif(CHROMIUM is None, reason="absent: chromium"),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, ShopServer]]:
    with shopping(tmp_path_factory.mktemp("inbox") / "data") as both:
        yield both


@pytest.fixture
def site(both: tuple[Site, ShopServer]) -> Site:
    return both[0]


@pytest.fixture
def shops(both: tuple[Site, ShopServer]) -> ShopServer:
    return both[1]


def test_what_arrives_is_there_at_once_and_what_is_done_holds_everywhere(
    site: Site, shops: ShopServer
) -> None:
    shop = Shop(site, shops.origin, "ana")
    shop.send(1)
    page = shop.open()
    expect(page.get_by_text("1 unread · Live")).to_be_visible()
    shop.send(2)
    expect(page.get_by_text("2 unread · Live")).to_be_visible()
    expect(page.get_by_role("heading")).to_have_text(["Unread: Parcel 2", "Unread: Parcel 1"])
    expect(page.get_by_text("<b>On</b> its way").first).to_be_visible()
    assert page.evaluate("window.arrived") == ["Parcel 2"]
    page.get_by_role("button", name="Mark read: Parcel 1").click()
    expect(page.get_by_text("1 unread")).to_be_visible()
    # What has the focus keeps it, though the button says something else now.
    expect(page.get_by_role("button", name="Mark unread: Parcel 1")).to_be_focused()
    shop.until("it is read", "read_at", "Parcel 1")
    page.get_by_role("button", name="Acknowledge: Parcel 2").click()
    expect(page.get_by_text("Acknowledged")).to_be_visible()
    shop.until("it is acknowledged", "acknowledged_at", "Parcel 2")
    # On another device.
    id = shop.items()["Parcel 1"]["id"]
    site.call("POST", f"/v1/inbox/{id}/unread", token=shop.token)
    expect(page.get_by_text("1 unread · Live")).to_be_visible()
    page.get_by_role("button", name="Mark all read").click()
    expect(page.get_by_text("0 unread · Live")).to_be_visible()
    page.get_by_role("button", name="Archive: Parcel 2").click()
    expect(page.get_by_role("heading")).to_have_text(["Parcel 1"])
    expect(page.get_by_role("button", name="Archive: Parcel 1")).to_be_focused()
    assert shop.complaints == []
    page.context.close()


def test_a_bell_counts_and_its_panel_is_opened_and_shut_by_keys(
    site: Site, shops: ShopServer
) -> None:
    shop = Shop(site, shops.origin, "gil", folder="bell")
    shop.send(8)
    page = shop.open()
    bell = page.get_by_role("button", name="Notifications, 1 unread")
    expect(bell).to_have_text("1")
    shop.until("it has arrived", "received_at", "Parcel 8")
    panel = page.get_by_role("dialog", name="Notifications")
    expect(panel).to_be_hidden()
    expect(bell).to_have_attribute("aria-expanded", "false")
    # What lies behind the bell was not seen, however long the page is open.
    page.wait_for_timeout(1_500)
    assert "seen_at" not in shop.items()["Parcel 8"]
    bell.press("Enter")
    expect(panel).to_be_focused()
    expect(bell).to_have_attribute("aria-expanded", "true")
    shop.until("it was seen", "seen_at", "Parcel 8")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(bell).to_be_focused()
    bell.click()
    panel.get_by_role("button", name="Mark all read").click()
    quiet = page.get_by_role("button", name="Notifications", exact=True)
    expect(quiet).to_have_text("")
    quiet.click()
    expect(panel).to_be_hidden()
    quiet.click()
    panel.get_by_role("button", name="Archive: Parcel 8").focus()
    page.keyboard.press("Tab")
    expect(panel).to_be_hidden()
    expect(page.get_by_role("link", name="Next")).to_be_focused()
    assert page.evaluate("window.turned") == ["opened", "closed"] * 3
    page.evaluate("document.querySelector('tocsin-inbox').open = true")
    expect(panel).to_be_visible()
    page.evaluate("document.querySelector('tocsin-inbox').removeAttribute('mode')")
    expect(panel).to_have_count(0)
    expect(page.get_by_role("heading", name="Parcel 8")).to_be_visible()
    assert shop.complaints == []
    page.context.close()


def test_the_panel_goes_where_the_page_says_if_there_is_room(site: Site, shops: ShopServer) -> None:
    shop = Shop(site, shops.origin, "lea", folder="bell")
    page = shop.open()
    bell = page.get_by_role("button", name="Notifications")
    page.evaluate("Object.assign(document.body.style, {padding: '500px 0 0 600px'})")
    page.set_viewport_size({"width": 1400, "height": 1000})
    at = bell.bounding_box()
    assert at is not None
    for placement in ("top-start", "top-end", "bottom-start", "bottom-end"):
        page.evaluate(
            "(placement) => document.querySelector('tocsin-inbox').setAttribute('placement', placement)",
            placement,
        )
        bell.click()
        box = page.get_by_role("dialog").bounding_box()
        assert box is not None
        assert (box["y"] + box["height"] <= at["y"]) == placement.startswith("top")
        edges = (box["x"], at["x"])
        if placement.endswith("end"):
            edges = (box["x"] + box["width"], at["x"] + at["width"])
        assert edges[0] == pytest.approx(edges[1])
        page.keyboard.press("Escape")
    page.context.close()


@pytest.mark.parametrize("way", ["ltr", "rtl"])
def test_the_panel_stays_on_the_screen(site: Site, shops: ShopServer, way: str) -> None:
    shop = Shop(site, shops.origin, "hal", folder="bell")
    page = shop.open()
    page.evaluate("(way) => { document.documentElement.dir = way; }", way)
    bell = page.get_by_role("button", name="Notifications")
    for width, height in ((1200, 800), (700, 300), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        bell.click()
        # It finds its place when it is told that it is open, which is after the click.
        expect(bell).to_have_attribute("aria-expanded", "true")
        box = page.get_by_role("dialog").bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= width
        assert 0 <= box["y"] <= box["y"] + box["height"] <= height
        page.keyboard.press("Escape")
        expect(bell).to_have_attribute("aria-expanded", "false")
    page.context.close()


def test_it_tells_that_items_arrived_and_were_seen_and_asks_before_it_leaves(
    site: Site, shops: ShopServer
) -> None:
    shop = Shop(site, shops.origin, "bo")
    shop.send(7)
    page = shop.open()
    shop.until("it has arrived", "received_at", "Parcel 7")
    shop.until("it was seen", "seen_at", "Parcel 7")
    assert "read_at" not in shop.items()["Parcel 7"]
    page.get_by_role("link", name="Track it").click()
    assert page.evaluate("window.opened") == "https://track.example/7"
    shop.until("it is read", "read_at", "Parcel 7")
    assert len(page.context.pages) == 1
    page.context.close()


def test_a_broken_connection_loses_nothing_and_repeats_nothing(
    site: Site, shops: ShopServer
) -> None:
    shop = Shop(site, shops.origin, "cleo")
    sockets: list[WebSocketRoute] = []

    def through(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    shop.page.route_web_socket("**/v1/inbox/socket", through)
    page = shop.open()
    expect(page.get_by_text("0 unread · Live")).to_be_visible()
    for n in (1, 2, 3):
        sockets[-1].close(code=1013, reason="resync")
        shop.send(n)
        expect(page.get_by_text(f"{n} unread · Live")).to_be_visible()
    expect(page.get_by_role("heading")).to_have_text(
        ["Unread: Parcel 3", "Unread: Parcel 2", "Unread: Parcel 1"]
    )
    assert len(sockets) == 4
    page.context.close()


def test_without_sockets_it_asks_now_and_then(site: Site, shops: ShopServer) -> None:
    shop = Shop(site, shops.origin, "dan")
    shop.page.route_web_socket("**/v1/inbox/socket", lambda socket: socket.close(code=1011))
    page = shop.open()
    expect(page.get_by_text("0 unread · Asking now and then")).to_be_visible()
    shop.send(4)
    expect(page.get_by_role("heading", name="Parcel 4")).to_be_visible()
    page.get_by_role("button", name="Mark read: Parcel 4").click()
    expect(page.get_by_text("0 unread")).to_be_visible()
    shop.until("it is read", "read_at", "Parcel 4")
    page.context.close()


def test_a_token_that_is_refused_is_asked_for_anew(site: Site, shops: ShopServer) -> None:
    shop = Shop(site, shops.origin, "eva", token="wrong")
    page = shop.open()
    expect(page.get_by_text("The server does not answer; asking again")).to_be_visible()
    until("it asks for a new one", turning(page, lambda: True in page.evaluate("window.asked")))
    page.context.close()


def test_on_the_page_of_the_sandbox_it_is_that_of_whom_one_looks_at(
    site: Site, shops: ShopServer
) -> None:
    page = site.open()
    shop = Shop(site, shops.origin, "fay")
    shop.send(5)
    page.get_by_label("Of the recipient").fill("fay")
    page.get_by_role("button", name="Show", exact=True).click()
    inbox = region(page, "Inbox")
    expect(inbox.get_by_text("1 unread · Live")).to_be_visible()
    expect(page.get_by_role("link", name="Inbox 1")).to_be_visible()
    inbox.get_by_role("link", name="Parcel 5").click()
    expect(inbox.get_by_text(f"That leads to {site.address}/orders/5")).to_be_visible()
    expect(inbox.get_by_text("0 unread · Live")).to_be_visible()
    # Whoever looks at the sandbox is not her: only what is done there is said.
    assert "received_at" not in shop.items()["Parcel 5"]
    page.context.close()
    shop.page.context.close()
