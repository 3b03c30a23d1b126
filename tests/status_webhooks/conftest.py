"""Both layouts, and an endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from tests.delivering.site import LAYOUTS, Vendor
from tests.status_webhooks.place import BOTH, Place, place
from tests.support.receiver import Receiver, receiver


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    return cast(str, request.param)


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    async with Vendor().serving() as vendor:
        yield vendor


@pytest.fixture
async def there() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found


@pytest.fixture
async def here(tmp_path: Path, layout: str, vendor: Vendor) -> AsyncIterator[Place]:
    async with place(tmp_path, layout, vendor) as found:
        await found.site.publish(BOTH)
        yield found
