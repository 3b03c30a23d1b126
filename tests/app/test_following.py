"""What processes keep in memory is kept fresh, also after a time without the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app.sending_site import SendingSite, inbox_and_push
from tests.app.test_facts_away import Breakable
from tocsin.app.callers import LOCAL
from tocsin.domain.category import Category
from tocsin.errors import Unauthenticated
from tocsin.ports.system import Sleep

FRESH_MAX_S = 5.0


class Rounds:
    """A sleep that ends when the test says so, and tells how long was asked for."""

    def __init__(self) -> None:
        self.asked_s: list[float] = []
        self._due = asyncio.Event()
        self._asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asked_s.append(seconds)
        self._asleep.set()
        await self._due.wait()
        self._due.clear()

    async def next(self) -> None:
        """Let one round happen to its end."""
        await self._asleep.wait()
        self._asleep.clear()
        self._due.set()
        await self._asleep.wait()


@asynccontextmanager
async def following(
    follow: Callable[[Sleep], Coroutine[Any, Any, None]],
) -> AsyncIterator[Rounds]:
    rounds = Rounds()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(follow(rounds.sleep))
        yield rounds
        assert not task.done()
        task.cancel()
    assert max(rounds.asked_s) <= FRESH_MAX_S


@pytest.fixture
def line() -> Breakable:
    return Breakable()


@pytest.fixture
async def site(tmp_path: Path, line: Breakable) -> AsyncIterator[SendingSite]:
    made = SendingSite(tmp_path, "joint", around=line.around)
    await made.open()
    yield made
    await made.close()


async def test_a_workflow_published_elsewhere_is_seen(site: SendingSite, line: Breakable) -> None:
    services = site.services
    async with following(services.registry.follow) as rounds:
        await site.publish(inbox_and_push("first"))
        document = services.stores.workflows
        stored = (await document.published())[0]
        await document.publish("second", stored.document.replace(b"first", b"second"), "x", 1)
        assert services.registry.newest("second") is None
        line.cut.add("workflows")
        await rounds.next()
        assert services.registry.newest("first") is not None
        assert services.registry.newest("second") is None
        line.cut.clear()
        await rounds.next()
        assert services.registry.newest("second") is not None


async def test_a_category_changed_elsewhere_is_seen(site: SendingSite, line: Breakable) -> None:
    services = site.services
    async with following(services.workflows.follow) as rounds:
        await services.stores.workflows.put_category(Category("orders", name="Orders"), 1)
        line.cut.add("workflows")
        await rounds.next()
        assert services.workflows.category("orders") is None
        line.cut.clear()
        await rounds.next()
        found = services.workflows.category("orders")
        assert found is not None
        assert found.name == "Orders"


async def test_a_key_revoked_elsewhere_is_refused(site: SendingSite, line: Breakable) -> None:
    services = site.services
    key, text = await site.driving.keys.create(LOCAL, "shop", ["viewer"])
    bearer = f"Bearer {text}".encode()
    async with following(services.access.follow) as rounds:
        await services.stores.keys.revoke(key.id, site.clock.now_ms())
        line.cut.add("keys")
        await rounds.next()
        assert services.access.caller(bearer, "here").name == f"key:{key.id}"
        line.cut.clear()
        await rounds.next()
        with pytest.raises(Unauthenticated):
            services.access.caller(bearer, "here")
