"""What ``<tocsin-inbox>`` shows beside all items: its tabs, and a person's preferences."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.browser.shop import Shop, ShopServer, shopping
from tests.browser.site import CHROMIUM, Site

pytestmark = [
    pytest.mark.xdist_group("browser-inbox-views"),
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


def test_tabs_show_a_part_and_follow_what_happens(site: Site, shops: ShopServer) -> None:
    shop = Shop(site, shops.origin, "ida", folder="full")
    shop.send(1)
    shop.send(2, "order.sent")
    page = shop.open()
    titles = page.get_by_role("tabpanel").get_by_role("heading")
    expect(titles).to_have_text(["Unread: Parcel 2", "Unread: Parcel 1"])
    page.get_by_role("tab", name="Orders").click()
    expect(titles).to_have_text(["Unread: Parcel 2"])
    # Of another category: the tab does not show it, and it has arrived all the same.
    shop.send(3)
    shop.until("it has arrived", "received_at", "Parcel 3")
    shop.send(4, "order.sent")
    expect(titles).to_have_text(["Unread: Parcel 4", "Unread: Parcel 2"])
    page.get_by_role("tab", name="Orders").press("ArrowRight")
    unread = page.get_by_role("tab", name="Unread")
    expect(unread).to_be_focused()
    expect(unread).to_have_attribute("aria-selected", "true")
    expect(titles).to_have_count(4)
    page.get_by_role("button", name="Mark read: Parcel 4").press("Enter")
    expect(titles).to_have_text(["Unread: Parcel 3", "Unread: Parcel 2", "Unread: Parcel 1"])
    expect(page.get_by_role("button", name="Mark read: Parcel 3")).to_be_focused()
    # On another device.
    site.call("POST", f"/v1/inbox/{shop.items()['Parcel 4']['id']}/unread", token=shop.token)
    expect(titles).to_have_count(4)
    page.get_by_role("button", name="Archive: Parcel 4").click()
    expect(titles).to_have_count(3)
    page.get_by_role("tab", name="Archived").click()
    expect(titles).to_have_text(["Unread: Parcel 4"])
    site.call("POST", f"/v1/inbox/{shop.items()['Parcel 1']['id']}/archive", token=shop.token)
    expect(titles).to_have_text(["Unread: Parcel 4", "Unread: Parcel 1"])
    page.get_by_role("button", name="Restore: Parcel 4").click()
    expect(titles).to_have_text(["Unread: Parcel 1"])
    page.get_by_role("tab", name="Archived").press("Home")
    expect(titles).to_have_text(["Unread: Parcel 4", "Unread: Parcel 3", "Unread: Parcel 2"])
    assert shop.complaints == []
    page.context.close()


def test_another_tab_is_read_where_the_connection_was_broken(site: Site, shops: ShopServer) -> None:
    shop = Shop(site, shops.origin, "jon", folder="full")
    refuse = True

    def through(socket: WebSocketRoute) -> None:
        if refuse:
            socket.close(code=1011)
        else:
            socket.connect_to_server()

    shop.page.route_web_socket("**/v1/inbox/socket", through)
    shop.send(1)
    shop.send(2, "order.sent")
    page = shop.open()
    expect(page.get_by_text("2 unread · Asking now and then")).to_be_visible()
    page.get_by_role("tab", name="Orders").click()
    titles = page.get_by_role("tabpanel").get_by_role("heading")
    expect(titles).to_have_text(["Unread: Parcel 2"])
    refuse = False
    expect(page.get_by_text("2 unread · Live")).to_be_visible()
    expect(titles).to_have_text(["Unread: Parcel 2"])
    page.context.close()


def test_preferences_are_kept_at_once_and_go_back_where_they_were_refused(
    site: Site, shops: ShopServer
) -> None:
    shop = Shop(site, shops.origin, "kim", folder="full")
    page = shop.open()
    expect(page.get_by_text("0 unread · Live")).to_be_visible()
    page.get_by_role("button", name="Preferences").click()
    orders, everything = (page.get_by_role("group", name=name) for name in ("Orders", "Everything"))
    expect(orders.get_by_role("switch", name="SMS")).not_to_be_checked()
    push = orders.get_by_role("switch", name="Push")
    expect(push).to_be_checked()
    push.focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(push).to_be_focused()
    expect(push).not_to_be_checked()
    everything.get_by_role("switch", name="Email").click()
    expect(orders.get_by_role("switch", name="Email")).to_be_disabled()
    path = "/v1/recipients/kim/preferences"
    kept = site.call("GET", path)
    assert kept["channels"] == {"email": False}
    assert kept["categories"]["orders"]["channels"] == {"push": False}
    # Who had switched off all of it and wants one channel does not want the others.
    site.call("PUT", path, {"categories": {"orders": False}})
    page.get_by_role("button", name="Back to the inbox").click()
    page.get_by_role("button", name="Preferences").click()
    expect(push).not_to_be_checked()
    orders.get_by_role("switch", name="Push").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(push).to_be_checked()
    expect(orders.get_by_role("switch", name="Inbox")).not_to_be_checked()
    page.route(f"**{path}", lambda route: route.fulfill(status=503, json={"detail": "busy"}))
    push.click()
    expect(page.get_by_role("alert").get_by_text("Not saved")).to_be_visible()
    expect(push).to_be_checked()
    page.context.close()
