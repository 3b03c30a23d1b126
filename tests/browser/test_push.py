"""
A push in a real browser: opted in, shown, clicked, and both of them back in the ledger.

A headless Chromium has no push service behind it, so what it subscribes with is given to it, and
what the played push service decrypted is handed to it as its own would: by the debugging protocol.
"""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, sync_playwright

from tests.browser.site import PATIENCE_MS
from tests.cli.server import PATIENCE_S, Server, environment, serving, until
from tocsin.channels.push.webpush.browser import Browser

CHROMIUM = shutil.which("chromium")
BESIDE = ("ttl", "urgency", "topic")
SUBSCRIBED = Browser("https://sandbox-push.example/generic/chromium")
WORKFLOW = {
    "key": "order.shipped",
    "steps": [
        {
            "channel": "push",
            "title": "Order {{ data.n }}",
            "body": "On its way",
            "url": "/orders/{{ data.n }}",
            "options": {"webpush": {"require_interaction": True}},
        }
    ],
}
PAGE = """<!doctype html><title>shop</title><button>Tell me</button>
<script type="module" src="/shop.js"></script>"""
SCRIPT = """import { subscribe, state } from "/push/tocsin-push.js";
window.pushState = state;
document.querySelector("button").onclick = async () => {
  try { window.device = await subscribe(%s); } catch (error) { window.device = String(error); }
};"""
GIVEN = """PushManager.prototype.subscribe = async function (options) {
  window.asked = options;
  return { toJSON: () => (%s) };
};"""

pytestmark = [
    # One after the other in one browser: what was opened is looked at by those that follow.
    pytest.mark.xdist_group("browser-push"),
    pytest.mark.skipif(CHROMIUM is None, reason="absent: chromium"),
    pytest.mark.timeout(600),
]


class Shop:
    """A server, a page on it, and what the debugging protocol knows of its worker."""

    def __init__(self, server: Server, context: BrowserContext) -> None:
        self.address = server.address
        self._key = (server.folder / "sandbox.key").read_text().strip()
        self.page: Page = context.new_page()
        self._context = context
        self._session: CDPSession = context.new_cdp_session(self.page)
        self._registrations: dict[str, str] = {}
        self._session.on("ServiceWorker.workerRegistrationUpdated", self._noted)
        self._session.send("ServiceWorker.enable")

    def _noted(self, event: Any) -> None:
        for each in event["registrations"]:
            self._registrations[each["scopeURL"]] = each["registrationId"]

    def call(self, method: str, path: str, document: object = None) -> Any:
        """Ask the server with every right."""
        body = None if document is None else json.dumps(document).encode()
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        request = urllib.request.Request(self.address + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def open(self, recipient: str, token: str) -> None:
        """Open the shop's page, which Tocsin's own origin serves here."""
        script = SCRIPT % json.dumps({"recipient": recipient, "token": token})
        self.page.route("**/shop", _answer(PAGE, "text/html"))
        self.page.route("**/shop.js", _answer(script, "text/javascript"))
        self.page.add_init_script(GIVEN % SUBSCRIBED.subscription())
        self.page.goto(self.address + "/shop")

    def deliver(self, data: str) -> None:
        """Let the browser's push service hand it this."""
        self.until("a worker", lambda: bool(self._registrations))
        (registration,) = self._registrations.values()
        pushed = {"origin": self.address, "registrationId": registration, "data": data}
        self._session.send("ServiceWorker.deliverPushMessage", pushed)

    def shown(self) -> list[dict[str, Any]]:
        """The notifications that are open now."""
        found: list[dict[str, Any]] = self.page.evaluate(
            """async () => {
                const registration = await navigator.serviceWorker.getRegistration("/push/");
                const open = await registration.getNotifications();
                return open.map((each) => ({
                    title: each.title, body: each.body, stays: each.requireInteraction,
                }));
            }"""
        )
        return found

    def click(self) -> None:
        """
        Click the first notification, as far as a program may: it is not trusted to open windows.
        """
        (worker,) = self._context.service_workers
        worker.evaluate(
            """async () => {
                const [notification] = await self.registration.getNotifications();
                self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
            }"""
        )

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Return when *holds*; the browser's events come in meanwhile."""

        def turned() -> bool:
            self.page.wait_for_timeout(50)
            return holds()

        until(what, turned)


def _answer(text: str, kind: str) -> Any:
    headers = {
        "content-security-policy": "default-src 'none'; script-src 'self'; connect-src 'self'"
    }
    return lambda route: route.fulfill(body=text, content_type=kind, headers=headers)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("browser") / "data"
    with (
        serving(folder, env=environment()) as server,
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage"],
            timeout=PATIENCE_MS,
        ) as browser,
    ):
        context = browser.new_context(service_workers="allow")
        context.set_default_timeout(PATIENCE_MS)
        context.grant_permissions(["notifications"], origin=server.address)
        yield Shop(server, context)


def plaintext(message: Any) -> str:
    """What the browser's push service would have handed on, once decrypted."""
    own = {name: text for name, text in message["content"].items() if name not in BESIDE}
    return json.dumps({name: _value(name, text) for name, text in own.items()})


def _value(name: str, text: str) -> Any:
    return json.loads(text) if name in ("unseen", "requireInteraction") else text


def test_who_opts_in_is_shown_a_push_and_both_ends_are_told(shop: Shop) -> None:
    shop.call("PUT", "/v1/workflows/order.shipped", WORKFLOW)
    shop.call("POST", "/v1/workflows/order.shipped/publish")
    shop.call("PUT", "/v1/recipients/ana", {})
    token = shop.call("POST", "/v1/tokens", {"recipient": "ana"})["token"]
    shop.open("ana", token)
    assert shop.page.evaluate("pushState()") == "off"
    shop.page.click("button")
    shop.until("an answer", lambda: shop.page.evaluate("window.device !== undefined") is True)
    device = shop.page.evaluate("window.device")
    assert isinstance(device, dict), device
    assert device["provider"] == "webpush"
    key = shop.call("GET", "/push/key")["public_key"]
    assert shop.page.evaluate("window.asked.applicationServerKey") == key

    sent = shop.call(
        "POST", "/v1/events", {"type": "order.shipped", "to": ["ana"], "data": {"n": 7}}
    )
    event = sent["events"][0]["id"]
    path = "/v1/sandbox/messages?provider=webpush"
    shop.until("a push", lambda: bool(shop.call("GET", path)["messages"]))
    (message,) = shop.call("GET", path)["messages"]
    shop.deliver(plaintext(message))
    shop.until("a notification", lambda: bool(shop.shown()))
    assert shop.shown() == [{"title": "Order 7", "body": "On its way", "stays": True}]

    def delivery() -> Any:
        found = shop.call("GET", f"/v1/notifications?event={event}")["items"][0]["id"]
        return shop.call("GET", f"/v1/notifications/{found}")["deliveries"][0]

    shop.until("a receipt", lambda: delivery()["state"] == "delivered")
    assert msgspec.json.decode(plaintext(message))["tocsin"] == delivery()["id"]
    shop.click()

    def reported() -> list[str]:
        why = shop.call("GET", f"/v1/explain?event={event}&recipient=ana")
        (made,) = why["runs"][0]["deliveries"]
        return [each["state"] for each in made["attempts"] if each["kind"] == "receipt"]

    shop.until("the click", lambda: reported() == ["delivered", "clicked"])
    assert not shop.shown()
    _what_is_no_push_of_ours_is_left_alone(shop)


def _what_is_no_push_of_ours_is_left_alone(shop: Shop) -> None:
    before = shop.shown()
    for data in ("", "not json", "[]", '{"title": "Win a prize", "url": "javascript:alert(1)"}'):
        shop.deliver(data)
    shop.page.wait_for_timeout(200)
    assert shop.shown() == before


def test_the_scripts_may_call_nobody_else(shop: Shop) -> None:
    for name in ("worker.js", "tocsin-push.js"):
        with urllib.request.urlopen(f"{shop.address}/push/{name}", timeout=PATIENCE_S) as answer:
            assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
            policy = answer.headers["content-security-policy"]
        assert policy == "default-src 'none'; connect-src 'self'"
