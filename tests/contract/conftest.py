"""What suites of more than one file run against: state stores, and every provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from tests.contract.providers import REGISTRY, Vendor, played
from tests.contract.state_stores import SqliteStores, StateStores


@pytest.fixture(params=["sqlite-joint", "sqlite-split"])
async def state(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StateStores]:
    """An empty state store; ``reopen`` ends its process and starts another on the same data."""
    joint = cast(str, request.param) == "sqlite-joint"
    stores = SqliteStores(tmp_path / "state.db", joint=joint)
    await stores.open()
    yield stores
    stores.close()


@pytest.fixture(params=list(REGISTRY.specs))
async def vendor(request: pytest.FixtureRequest) -> AsyncIterator[Vendor]:
    """Each provider that there is, and the toy."""
    async with played(cast(str, request.param)) as one:
        yield one
