"""A process, its HTTP side, and endpoints on real sockets that are told what happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from standardwebhooks import Webhook

from tests.delivering.site import Site, Vendor, process
from tests.support.receiver import Receiver, Seen
from tocsin.api.app import Api
from tocsin.config import StatusWebhookSettings
from tocsin.wiring.http import build_driving
from tocsin.wiring.process import Around

INBOX = {"key": "alarm", "steps": [{"channel": "inbox", "title": "Alarm", "body": "x"}]}
BOTH = {
    "key": "alarm",
    "steps": [
        {"channel": "inbox", "title": "Alarm", "body": "x"},
        {"channel": "chat", "title": "Alarm", "body": "x"},
        {"channel": "email", "subject": "Alarm", "text": "x"},
    ],
}
AT_ONCE = StatusWebhookSettings(batch_wait_ms=0)


class Place:
    """A process as its customers see it."""

    def __init__(self, site: Site, api: Api) -> None:
        self.site = site
        self.secrets: dict[str, str] = {}
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=api.local()), base_url="http://tocsin.test"
        )

    async def put(self, key: str, there: Receiver, **more: object) -> httpx2.Response:
        """Put an endpoint; its secret is kept here."""
        made = await self.client.put(
            f"/v1/status-webhooks/{key}", json={"url": f"{there.url}/{key}", **more}
        )
        assert made.status_code == 200, made.text
        if "secret" in made.json():
            self.secrets[key] = made.json()["secret"]
        return made

    def told(self, key: str, there: Receiver) -> list[dict[str, Any]]:
        """Return every status that *key* was told, in the order of the calls."""
        return [
            status
            for seen in there.seen
            if seen.line.split(" ")[1].endswith(f"/{key}")
            for status in self.read(key, seen)["data"]["statuses"]
        ]

    def read(self, key: str, seen: Seen) -> Any:
        """Return the body of a call, verified."""
        return Webhook(self.secrets[key]).verify(seen.body, seen.headers)

    async def until_told(self, key: str, there: Receiver, count: int) -> list[dict[str, Any]]:
        """Return what was told as soon as it is *count* statuses."""
        async with asyncio.timeout(20):
            await there.until(lambda: len(self.told(key, there)) >= count)
        return self.told(key, there)


@asynccontextmanager
async def place(
    folder: Path,
    layout: str,
    vendor: Vendor,
    settings: StatusWebhookSettings = AT_ONCE,
    around: Around | None = None,
) -> AsyncIterator[Place]:
    """Open the folder as a process, running."""
    async with process(folder, layout, vendor, status_webhooks=settings, around=around) as site:
        site.start()
        driving = build_driving(
            site.services, asyncio.get_running_loop(), _spawns_nothing, lambda: False
        )
        yield Place(site, driving.api)


def _spawns_nothing(_work: object) -> None:
    raise AssertionError("no socket is opened here")


def short(statuses: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return (channel, state, reason) of each."""
    return [(each["channel"], each["state"], each["reason"]) for each in statuses]


def body_of(seen: Seen) -> Any:
    """Return a body without looking at its signature."""
    return msgspec.json.decode(seen.body)
