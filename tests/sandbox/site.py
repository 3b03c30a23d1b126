"""A whole sandbox in this process: real files, real sockets, its own clock, and its HTTP side."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2

from tests.support import toy
from tocsin.channels.playing import PlayedVendors
from tocsin.channels.registry import Registry, folders
from tocsin.config import Config, Outbound, RawTable, Secret
from tocsin.config.sandbox_table import Sandbox
from tocsin.config.tables import Http, Keys, Store
from tocsin.domain.instants import parse_instant, show_instant
from tocsin.ports.simulator import Simulator
from tocsin.roles.everything import started
from tocsin.roles.network import Network
from tocsin.roles.running import Running
from tocsin.wiring.http import Driving, build_driving

Layout = Literal["joint", "split"]
LAYOUTS: tuple[Layout, ...] = ("joint", "split")
BEGIN = "2016-09-01T00:00:00.000Z"
BEGIN_MS = parse_instant(BEGIN)
HOUR_MS = 3_600_000
KEY = base64.b64encode(bytes(32)).decode()
REGISTRY = Registry([*folders(), toy])
ALARM: Mapping[str, object] = {
    "key": "alarm",
    "expires_in": "30d",
    "steps": [{"channel": "chat", "title": "Alarm", "body": "{{ data.n }}"}],
}


class SandboxSite:
    """One process, called as the admin socket is: with every right."""

    def __init__(self, running: Running, client: httpx2.AsyncClient, driving: Driving) -> None:
        self.running = running
        self.driving = driving
        self.services = running.services
        self.client = client

    async def call(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        """Make a request that must be answered with *status*; return the answer's document."""
        answer = await self.client.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def publish(self, document: Mapping[str, object] = ALARM) -> None:
        """Publish a workflow."""
        await self.call("PUT", f"/v1/workflows/{document['key']}", document)
        await self.call("POST", f"/v1/workflows/{document['key']}/publish")

    async def person(self, id: str, pager: str | None = None, **profile: object) -> None:
        """Store a recipient, with a pager."""
        await self.call("PUT", f"/v1/recipients/{id}", profile, 201)
        if pager is not None:
            address = {"channel": "chat", "address": pager}
            await self.call("POST", f"/v1/recipients/{id}/addresses", address, 201)

    async def trigger(self, to: str, n: int, workflow: str = "alarm") -> str:
        """Trigger a workflow; return the event's id."""
        body = {"recipients": [to], "data": {"n": n}}
        answer = await self.call("POST", f"/v1/workflows/{workflow}/trigger", body, 202)
        return str(answer["event"])

    def played(self, provider: str) -> Simulator:
        """Return the vendor that is played."""
        vendors = self.services.vendors
        assert isinstance(vendors, PlayedVendors)
        return vendors.simulator(provider)

    async def now_ms(self) -> int:
        """Return the sandbox's time."""
        return parse_instant((await self.call("GET", "/v1/sandbox/clock"))["now"])

    async def advance(self, by: str) -> Any:
        """Move the clock."""
        return await self.call("POST", "/v1/sandbox/clock", {"advance": by})

    async def set(self, to_ms: int, status: int = 200) -> Any:
        """Move the clock to a time."""
        return await self.call("POST", "/v1/sandbox/clock", {"set": show_instant(to_ms)}, status)


@asynccontextmanager
async def sandbox(
    folder: Path,
    layout: Layout = "joint",
    *,
    clock: str | None = BEGIN,
    mode: Literal["sandbox", "real"] = "sandbox",
    pager: Mapping[str, object] | None = None,
    outbound: Outbound | None = None,
    **settings: Any,
) -> AsyncIterator[SandboxSite]:
    """Run a sandbox on *folder* until the block ends; *pager* are settings of the toy."""
    tables = {} if pager is None else {"pager": RawTable("pager", {}, {}).with_values(pager, "t")}
    config = Config(
        mode=mode,
        data=str(folder),
        store=Store(layout=layout),
        sandbox=Sandbox(clock=clock, **settings),
        outbound=outbound or Outbound(),
        providers=tables,
        keys=Keys(encryption_key=Secret(KEY)) if mode == "real" else Keys(),
    )
    async with started(config, registry=REGISTRY) as running:
        loop = asyncio.get_running_loop()
        driving = build_driving(running.services, loop, running.spawn, running.stopping.is_set)
        # A turn, so that no role is ended before it has begun.
        await asyncio.sleep(0)
        transport = httpx2.ASGITransport(app=driving.api.local())
        async with httpx2.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            yield SandboxSite(running, client, driving)


@asynccontextmanager
async def listening(site: SandboxSite) -> AsyncIterator[str]:
    """Serve the site on a port of its own, so that vendors reach it; yields its URL."""
    vendors = site.services.vendors
    assert vendors is not None
    local = site.running.folder / "s"
    network = Network(Http(port=0, stop_grace_ms=1_000), site.driving, local)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(network.serve())
        await network.started(serving)
        url = f"http://127.0.0.1:{network.port}"
        await vendors.report_to(url)
        if site.services.whereabouts is not None:
            site.services.whereabouts.listen(url)
        yield url
        network.stop()
