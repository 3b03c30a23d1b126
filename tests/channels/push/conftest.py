"""The played vendor that a file is about, by its ``PROVIDER``, and a provider that is led to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.channels.push.support import Played
from tocsin.ports.provider import Provider


@pytest.fixture
async def played(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Played]:
    one = Played(request.module.PROVIDER, tmp_path)
    await one.start()
    yield one
    await one.close()


@pytest.fixture
def provider(played: Played) -> Provider:
    return played.provider()
