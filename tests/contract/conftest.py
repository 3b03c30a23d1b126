"""What suites of more than one file run against: state stores, and every provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from tests.contract.providers import REGISTRY, Vendor, played
from tests.contract.state_stores import SqliteStores, StateStores
from tests.support.authority import Authority
from tests.support.transports import Make, Streams
from tocsin.adapters.http.curl import CurlTransport
from tocsin.config import Outbound
from tocsin.domain.hosts import Reach, networks
from tocsin.ports.transport import Transport


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


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whom a client trusts that is told to."""
    return Authority(tmp_path)


@pytest.fixture(params=[CurlTransport, Streams], ids=["curl", "streams"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes clients that call this machine, and are closed in the end."""
    made: list[Transport] = []

    def one(outbound: Outbound) -> Transport:
        made.append(request.param(outbound, Reach(networks(["127.0.0.0/8"]))))
        return made[-1]

    yield one
    for each in made:
        await each.close()
