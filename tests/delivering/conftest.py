"""The toy's service, and a process that calls it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from tests.delivering.site import LAYOUTS, Site, Vendor, process


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    async with Vendor().serving() as vendor:
        yield vendor


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    return cast(str, request.param)


@pytest.fixture
async def site(tmp_path: Path, layout: str, vendor: Vendor) -> AsyncIterator[Site]:
    """A started process with the workflow ``alarm``."""
    async with process(tmp_path, layout, vendor) as site:
        await site.publish()
        site.start()
        yield site
