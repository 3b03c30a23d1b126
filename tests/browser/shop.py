"""A customer's page with the inbox on it, from an origin of its own, under the strictest policy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.browser.site import Site, browsing, turning
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

BELL = """<!doctype html><html lang="en"><title>shop</title><link rel="icon" href="data:,">
<script type="module" src="/script/%(token)s"></script>
<tocsin-inbox patience="1" mode="bell"></tocsin-inbox><main><h1>Shop</h1><a href="#next">Next</a></main>"""


FULL = """<!doctype html><html lang="en"><title>shop</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<script type="module" src="/script/%(token)s"></script><main><h1>Shop</h1><h2>Inbox</h2>
<tocsin-inbox patience="1" preferences tabs='[{"label": "All"}, {"label": "Orders", "category": "orders"},
{"label": "Unread", "status": "unread"}, {"label": "Archived", "status": "archived"}]'></tocsin-inbox></main>"""


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
        pages = {"shop": SHOP, "bell": BELL, "full": FULL}
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


@contextmanager
def shopping(folder: Path) -> Iterator[tuple[Site, ShopServer]]:
    """Start a server on *folder*, a browser, and a shop whose pages may ask the server."""
    with ShopServer() as shops:
        thread = threading.Thread(target=shops.serve_forever)
        thread.start()
        try:
            with browsing(folder, TOCSIN_HTTP__ALLOWED_ORIGINS=shops.origin) as site:
                shops.tocsin = site.address
                site.publish(WORKFLOW)
                site.publish({**WORKFLOW, "key": "order.sent", "category": "orders"})
                orders = {"name": "Orders", "channels": {"sms": False}}
                site.call("PUT", "/v1/categories/orders", orders)
                yield site, shops
        finally:
            shops.shutdown()
            thread.join()


class Shop:
    """A page of a customer's, whose policy forbids whatever is not needed."""

    def __init__(
        self,
        site: Site,
        origin: str,
        recipient: str,
        token: str | None = None,
        folder: str = "shop",
        **how: Any,
    ) -> None:
        self.site = site
        self.recipient = recipient
        self.token = site.token(recipient)
        self.page = site.context(**how).new_page()
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

    def send(self, n: int, what: str = "parcel.sent") -> None:
        """Let a parcel be sent."""
        event = {"type": what, "to": [self.recipient], "data": {"n": n}}
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
