"""A server and a browser that looks at it."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.cli.server import PATIENCE_S, Server, environment, serving

CHROMIUM = shutil.which("chromium")
PATIENCE_MS = PATIENCE_S * 1_000
"""A page is drawn by as many processes as a server and its test are: together they are slow."""
ADDRESSES = (
    {"channel": "chat", "provider": "slack", "address": "#ops"},
    {"channel": "webhook", "address": "https://ops.example/hooks"},
)


class Site:
    """A server, and pages of it."""

    def __init__(self, server: Server, browser: Browser) -> None:
        self.address = server.address
        self.key = (server.folder / "sandbox.key").read_text().strip()
        self.log = server.folder.parent / f"{server.folder.name}.log"
        self._browser = browser

    def call(self, method: str, path: str, document: object = None, token: str = "") -> Any:
        """Ask the server with every right, or by a recipient's *token*."""
        body = None if document is None else json.dumps(document).encode()
        bearer = f"Bearer {token or self.key}"
        headers = {"authorization": bearer, "content-type": "application/json"}
        request = urllib.request.Request(self.address + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def open(self, **how: Any) -> Page:
        """Open the page with the key, as `tocsin up` says."""
        page = self.context(**how).new_page()
        page.goto(f"{self.address}/sandbox#key={self.key}")
        expect(page.get_by_role("banner").get_by_text("Live")).to_be_visible()
        return page

    def publish(self, workflow: dict[str, Any]) -> None:
        """Make a workflow take events."""
        self.call("PUT", f"/v1/workflows/{workflow['key']}", workflow)
        self.call("POST", f"/v1/workflows/{workflow['key']}/publish")

    def context(self, **how: Any) -> BrowserContext:
        """Open a browser that knows nothing yet."""
        context = self._browser.new_context(**how)
        context.set_default_timeout(PATIENCE_MS)
        return context

    def token(self, recipient: str) -> str:
        """Return one with which a recipient's own page asks."""
        found: str = self.call("POST", "/v1/tokens", {"recipient": recipient})["token"]
        return found

    def person(self, id: str, n: int) -> None:
        """Make one with an address of every kind."""
        phone, mail = f"+1415555{n:04d}", f"{id}@example.com"
        self.call("PUT", f"/v1/recipients/{id}", {"phone": phone, "email": mail})
        device = {"provider": "fcm", "token": f"canary-{id}:APA91b{'c' * 40}"}
        self.call("POST", f"/v1/recipients/{id}/devices", device)
        for each in (*ADDRESSES, {"channel": "voice", "address": phone}):
            self.call("POST", f"/v1/recipients/{id}/addresses", each)

    def send(self, recipient: str, site: str, what: str = "site.down") -> str:
        """Let something happen; return the event's id."""
        document = {"type": what, "to": [recipient], "data": {"site": site}}
        found: str = self.call("POST", "/v1/events", document)["events"][0]["id"]
        return found

    def receipts(self, event: str, recipient: str) -> list[str]:
        """What was reported of the event's deliveries."""
        why = self.call("GET", f"/v1/explain?event={event}&recipient={recipient}")
        return [
            attempt["state"]
            for run in why["runs"]
            for delivery in run["deliveries"]
            for attempt in delivery["attempts"]
            if attempt["kind"] == "receipt"
        ]


@contextmanager
def browsing(folder: Path, **settings: str) -> Iterator[Site]:
    """Start a server on *folder*, with *settings* of the environment, and a browser."""
    with (
        serving(folder, env=environment(**settings)) as server,
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage"],
            timeout=PATIENCE_MS,
        ) as browser,
    ):
        expect.set_options(timeout=PATIENCE_MS)
        yield Site(server, browser)


def region(page: Page, name: str) -> Locator:
    """A named part of the page."""
    return page.get_by_role("region", name=name, exact=True)


def turning(page: Page, holds: Callable[[], bool]) -> Callable[[], bool]:
    """Let the browser go on while something else is waited for."""

    def turned() -> bool:
        page.wait_for_timeout(50)
        return holds()

    return turned
