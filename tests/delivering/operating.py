"""The HTTP side over a process with the toy provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from tests.delivering.site import Site
from tocsin.app.callers import LOCAL
from tocsin.wiring.http import Driving, build_driving


def driving(site: Site) -> Driving:
    """Put routes over *site*; once for each."""
    loop = asyncio.get_running_loop()
    return build_driving(site.services, loop, loop.create_task, lambda: False)


@asynccontextmanager
async def client(
    behind: Driving, role: str = "", **limits: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client with a key of *role*, or one on the admin socket."""
    headers = {}
    if role:
        _, key = await behind.keys.create(LOCAL, "test", [role], **limits)
        headers["Authorization"] = f"Bearer {key}"
    app = behind.api.network() if role else behind.api.local()
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://tocsin.test", headers=headers
    ) as made:
        yield made
