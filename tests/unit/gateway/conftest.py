"""What the tests of sockets share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.gateway.site import SETTINGS, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: their transports differ in when they write, pause and close."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site(SETTINGS)
    server = await site.listen()
    yield site
    server.close()
    await server.wait_closed()
