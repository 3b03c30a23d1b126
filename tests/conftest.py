"""What holds for every test: the loop it runs on, and that CI skips nothing silently."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator

import pytest
from hypothesis import settings

from tests.support.draining_loop import DrainingLoop

ABSENT = "absent:"
"""A skip whose reason begins so names a server or tool that this machine lacks."""

# No deadlines: an example that is slow on a busy machine has found nothing. CI judges a change, so
# it tries the same examples each time; everybody else tries new ones.
ON_CI = os.environ.get("CI") == "true"
settings.register_profile("tocsin", deadline=None, print_blob=True, derandomize=ON_CI)
settings.load_profile("tocsin")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Callable[[], asyncio.AbstractEventLoop]]]:
    """Tocsin is an asyncio program; tests that need uvloop or virtual time override this."""
    return "asyncio", {"loop_factory": DrainingLoop}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On CI a test that lacks its server fails: CI installs all that the tests need."""
    report = yield
    if report.skipped and ON_CI and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith(ABSENT):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: {reason} (skipped elsewhere, a failure on CI)"
    return report
