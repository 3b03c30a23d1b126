"""``<tocsin-inbox>`` in a real browser: on a page of its own, and on that of the sandbox."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.site import CHROMIUM, Site, browsing, region, turning
from tests.cli.server import until

WORKFLOW = {
    "key": "parcel.sent",
    "steps": [
        {
            "channel": "inbox",
            "title": "Parcel {{ data.n }}",
            "body": "<b>On</b> its way",
            "url": "/orders/{{ data.n }}",
            "actions": [{"label": "Track it", "url": "https://track.example/{{ data.n }}"}],
        }
    ],
}
SHOP = """<!doctype html><title>shop</title><link rel="icon" href="data:,">
<script type="module" src="/script/%(token)s"></script>
<tocsin-inbox patience="1"></tocsin-inbox>"""
SCRIPT = """import "%(server)s/inbox/v1/tocsin-inbox.js";
const inbox = document.querySelector("tocsin-inbox");
window.asked = [];
inbox.getToken = async (fresh) => { window.asked.push(fresh); return "%(token)s"; };
window.arrived = [];
window.turned = [];
for (const name of ["opened", "closed"]) {
  inbox.addEventListener(`tocsin:${name}`, () => window.turned.push(name));
}
inbox.addEventListener("tocsin:item", ({ detail }) => window.arrived.push(detail.item.title));
inbox.addEventListener("tocsin:open", (event) => {
  event.preventDefault();
  window.opened = event.detail.url;
});"""
POLICY = (
    "default-src 'none'; img-src data:; script-src 'self' %(server)s; connect-src %(server)s %(socket)s; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

pytestmark = [
    pytest.mark.xdist_group("browser-inbox"),
    pytest.mark.skipif(CHROMIUM is None, reason="absent: chromium"),
    pytest.mark.timeout(600),
]


BELL = """<!doctype html><title>shop</title><link rel="icon" href="data:,">
<script type="module" src="/script/%(token)s"></script>
<tocsin-inbox patience="1" mode="bell"></tocsin-inbox><p><a href="#next">Next</a></p>"""


class ShopServer(ThreadingHTTPServer):
    """Serves a customer's page from an origin of its own; its script names the token in its path."""

    tocsin = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ShopHandler)
        self.origin = f"http://127.0.0.1:{self.server_port}"


class ShopHandler(BaseHTTPRequestHandler):
    """Answers the page and its script."""

    server: ShopServer

    def do_GET(self) -> None:
        """Answer one of them."""
        server = self.server.tocsin
        where = {"server": server, "socket": server.replace("http", "ws")}
        folder, _, token = self.path.strip("/").partition("/")
        pages = {"shop": SHOP, "bell": BELL}
        if folder in pages:
            self._say(pages[folder] % {"token": token}, "text/html", POLICY % where)
        else:
            self._say(SCRIPT % {**where, "token": token}, "text/javascript", "default-src 'none'")

    def _say(self, text: str, kind: str, policy: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-security-policy", policy)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name of the base
        """Say nothing."""


@pytest.fixture(scope="module")
def shops() -> Iterator[ShopServer]:
    with ShopServer() as shops:
        thread = threading.Thread(target=shops.serve_forever)
        thread.start()
        yield shops
        shops.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, shops: ShopServer) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("inbox") / "data"
    with browsing(folder, TOCSIN_HTTP__ALLOWED_ORIGINS=shops.origin) as site:
        shops.tocsin = site.address
        site.publish(WORKFLOW)
        yield site


class Shop:
    """A page of a customer's, whose policy forbids whatever is not needed."""

    def __init__(
        self,
        site: Site,
        origin: str,
        recipient: str,
        token: str | None = None,
        folder: str = "shop",
    ) -> None:
        self.site = site
        self.recipient = recipient
        self.token = site.token(recipient)
        self.page = site.context().new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda said: self._complain(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.address = f"{origin}/{folder}/{token or self.token}"

    def _complain(self, kind: str, text: str) -> None:
        if kind == "error":
            self.complaints.append(text)

    def open(self) -> Page:
        """Look at it."""
        self.page.goto(self.address)
        return self.page

    def send(self, n: int) -> None:
        """Let a parcel be sent."""
        event = {"type": "parcel.sent", "to": [self.recipient], "data": {"n": n}}
        self.site.call("POST", "/v1/events", event)
        # Whoever looks from now on finds it: an event is accepted before it is routed.
        until("it is there", turning(self.page, lambda: f"Parcel {n}" in self.items()))

    def items(self) -> dict[str, Any]:
        """What the server says, by title."""
        found = self.site.call("GET", "/v1/inbox", token=self.token)["items"]
        return {each["title"]: each for each in found}

    def until(self, what: str, name: str, title: str) -> None:
        """Wait until the server knows of *what* about an item."""
        until(what, turning(self.page, lambda: name in self.items().get(title, {})))


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
