"""A town in each layout."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from tests.app.runs import Runs
from tests.app.sending_site import SendingSite
from tests.app.town import LAYOUTS, Town, opened


@pytest.fixture(params=LAYOUTS)
async def town(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Town]:
    """An open folder in which nothing runs yet."""
    async with opened(tmp_path, cast(str, request.param)) as found:
        yield found


@pytest.fixture(params=LAYOUTS)
async def runs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Runs]:
    """A site with one person, everything running."""
    site = SendingSite(tmp_path, request.param)
    await site.open()
    (ana,) = await site.people(1)
    site.start()
    yield Runs(site, ana)
    await site.close()
