"""Credentials in files, replaced while the server runs: nothing stops, and nothing is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.delivering.operating import client, driving
from tests.delivering.reporting import report
from tests.delivering.site import LAYOUTS, Site, Vendor, process
from tests.support.toy.provider import Pager
from tests.support.toy.settings import PagerSettings
from tocsin.app.delivering.providers import Wired
from tocsin.app.delivering.renewing import EVERY_MS
from tocsin.channels.push.apns.checking import Tokens
from tocsin.channels.push.apns.simulator import KEY_ID, PRIVATE_KEY, TEAM_ID, ApnsSimulator
from tocsin.channels.push.fcm.simulator import FcmSimulator
from tocsin.config import Outbound, Secret
from tocsin.domain.recipient import Recipient
from tocsin.errors import Unauthenticated
from tocsin.ports.provider import ProviderTools
from tocsin.wiring.clients import open_clients

WORKFLOW = {"key": "alarm", "steps": [{"channel": "push", "title": "Order {{ data.n }}"}]}
_OTHER_KEY = PRIVATE_KEY[:-1] + "Q"
_OPEN_MS = 3_600_000
_NEVER_ALONE: dict[str, Any] = {"breaker_open": "1h", "breaker_open_max": "1h"}
"""For so long a provider that refused us is not called, unless something has changed."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """A running process, the file that it reads, and how its vendor comes to take another one."""

    site: Site
    file: Path
    exchange: Callable[[], str]
    """Let the vendor refuse what it took until now; returns what it takes instead."""

    @property
    def wired(self) -> Wired:
        return self.site.services.delivery.fleet.by_name()[self.site.simulator.provider]

    async def person(self) -> Recipient:
        address, name = self.site.simulator.address(1), self.site.simulator.provider
        return await self.site.person("ana", address, channel="push", provider=name)

    async def until_refused(self) -> None:
        """Return when the vendor has refused our credentials, and is not called for that."""

        async def refused() -> bool:
            return bool(self.wired.answers.problems) and self._closed_lanes() > 0

        await self.site.until(refused, "our credentials were refused")

    async def until_said(self, what: str | None) -> None:
        """Return when the file was looked at, and so much is said of it."""

        async def seen() -> bool:
            says = self.wired.outdated
            return says is None if what is None else says is not None and what in says

        await self.site.live_until(seen, step_ms=EVERY_MS)

    def _closed_lanes(self) -> int:
        now_ms, turnstiles = self.site.clock.now_ms(), self.site.services.delivery.turnstiles
        name = self.site.simulator.provider
        return sum(dict(each.breakers(now_ms)).get(name, 0) for each in turnstiles.values())


def _fcm(simulator: FcmSimulator, folder: Path) -> tuple[dict[str, Any], str, Callable[[], str]]:
    url = f"https://127.0.0.1:{simulator.port}/token"

    def exchange() -> str:
        simulator.google.forget()
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "fcm-service-account.pem").write_bytes(pem)
        return simulator.google.open_account(folder, url)

    return {"service_account": None}, simulator.google.open_account(folder, url), exchange


def _apns(simulator: ApnsSimulator, _: Path) -> tuple[dict[str, Any], str, Callable[[], str]]:
    def exchange() -> str:
        simulator.tokens = Tokens(_OTHER_KEY, KEY_ID, TEAM_ID)
        return _OTHER_KEY

    return {"private_key": None}, PRIVATE_KEY, exchange


@pytest.fixture(params=[(name, layout) for name in ("fcm", "apns") for layout in LAYOUTS])
async def rotation(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rotation]:
    name, layout = request.param
    vendors = tmp_path / "vendors"
    vendors.mkdir()
    simulator = FcmSimulator() if name == "fcm" else ApnsSimulator()
    async with AsyncExitStack() as stack:
        vendor = await stack.enter_async_context(Vendor(simulator).serving())
        if isinstance(simulator, FcmSimulator):
            settings, first, exchange = _fcm(simulator, vendors)
            setting = "service_account_file"
        else:
            settings, first, exchange = _apns(simulator, vendors)
            setting = "private_key_file"
        file = tmp_path / "credential"
        file.write_text(first)
        folder = tmp_path / "data"
        folder.mkdir()
        settings[setting] = str(file)
        site = await stack.enter_async_context(
            process(folder, layout, vendor, retry_base="1s", **_NEVER_ALONE, **settings)
        )
        site.start()
        await site.publish(WORKFLOW)
        yield Rotation(site, file, exchange)


async def test_deliveries_go_on_with_the_credential_that_took_the_others_place(
    rotation: Rotation,
) -> None:
    site, ana = rotation.site, await rotation.person()
    await site.until_settled(await site.send("ana", 1), ana, "sent")
    other = rotation.exchange()
    assert other != rotation.file.read_text()
    refused = [await site.send("ana", n) for n in (2, 3)]
    await rotation.until_refused()
    refused_ms = site.clock.now_ms()

    rotation.file.write_text(other)
    sent: set[bytes] = set()

    async def all_sent() -> bool:
        for event in refused:
            history = await site.history(event, ana)
            if history and getattr(history[-1], "state", None) == "sent":
                sent.add(event)
        return len(sent) == len(refused)

    await site.live_until(all_sent, step_ms=10)
    assert site.clock.now_ms() < refused_ms + _OPEN_MS
    await site.until_settled(await site.send("ana", 4), ana, "sent")
    assert len(site.simulator.taken) == 4


async def test_what_cannot_be_used_is_said_and_the_old_one_goes_on(rotation: Rotation) -> None:
    site, ana = rotation.site, await rotation.person()
    first = rotation.file.read_text()
    rotation.file.write_text("canary, no credential")
    await rotation.until_said("_file is no")
    rotation.file.write_text("")
    await rotation.until_said("_file is empty")
    rotation.file.unlink()
    await rotation.until_said("_file cannot be read")
    await site.until_settled(await site.send("ana", 1), ana, "sent")
    async with client(driving(site), "operator") as http:
        assert "_file cannot be read" in await _said(http, site.simulator.provider)
        rotation.file.write_text(first)
        await rotation.until_said(None)
        assert await _said(http, site.simulator.provider) == ""


async def _said(http: httpx2.AsyncClient, name: str) -> str:
    """Return what is said of its files, the same by both who say it."""
    (listed,) = (await http.get("/v1/providers")).json()["items"]
    looked = (await http.get(f"/v1/providers/{name}/doctor")).json()
    found = [each["says"] for each in looked["findings"] if "its files" in each["says"]]
    says = listed["outdated"] or ""
    assert [says] == [each.partition("before: ")[2] for each in found] or not (says or found)
    return str(says)


async def test_callbacks_are_checked_by_whom_calls_go_to(tmp_path: Path) -> None:
    async with Vendor().serving() as vendor, process(tmp_path, "joint", vendor) as site:
        site.start()
        wired = site.services.delivery.fleet.by_name()["pager"]
        assert isinstance(wired.settings, PagerSettings)
        assert (await report(site)).status == 204
        other = PagerSettings(
            url=wired.settings.url, key=wired.settings.key, callback_secret=Secret("other")
        )
        clients = open_clients(Outbound())
        try:
            wired.replace(Pager(other, ProviderTools("pager", clients.ordinary, lambda: 0)))
        finally:
            await clients.close()
        with pytest.raises(Unauthenticated):
            await report(site)
