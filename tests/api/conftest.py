"""A site for each test, and clients of the usual kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.api.site import Site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """An HTTP side on an empty store."""
    site = Site(tmp_path)
    await site.open()
    yield site
    site.close()


@pytest.fixture
async def admin(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that may do everything."""
    async with site.client(await site.key("admin")) as client:
        yield client
