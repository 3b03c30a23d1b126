"""What is done about files that were replaced, and what happens to who was made of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import structlog

from tests.support.waiting import awaited
from tocsin.adapters.system import VirtualClock
from tocsin.app.delivering.providers import Source, Wired
from tocsin.app.delivering.renewing import EVERY_MS, Renewing
from tocsin.config import Misconfigured
from tocsin.errors import Unauthenticated
from tocsin.ports.message import Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome
from tocsin.ports.provider import Flags, ProviderSettings
from tocsin.ports.receipts import Callback, Reading

BEGIN_MS = 1_900_000_000_000


class Keyed:
    """A provider that was made of *key*; its calls last until they are let go."""

    flags = Flags()
    name = "keyed"

    def __init__(self, key: str) -> None:
        self.key = key
        self.go_on = asyncio.Event()
        self.closed = False

    async def send(self, messages: Sequence[Message]) -> Sequence[ProviderOutcome]:
        await self.go_on.wait()
        return [Accepted(self.key)]

    async def read_callback(self, callback: Callback) -> Reading:
        raise Unauthenticated("nobody calls back")

    async def close(self) -> None:
        self.closed = True


class Bench:
    """A file, the provider that is made of it, and who looks."""

    def __init__(self) -> None:
        self.holds = "A"
        self.made: list[Keyed] = []
        self.looks = 0
        source = Source(self._look, self._make, {"key": "A"})
        self.wired = Wired(self._make(), ProviderSettings(), source=source)
        self.renewed: list[str] = []
        self._clock = VirtualClock(BEGIN_MS)
        self._renewing = Renewing([self.wired], self.renewed.append, self._clock)
        self._task = asyncio.get_running_loop().create_task(self._renewing.run())

    def _look(self) -> dict[str, str]:
        self.looks += 1
        return {"key": self.holds}

    def _make(self) -> Keyed:
        if self.holds == "garbage":
            raise Misconfigured(["providers.keyed.key_file holds no key"])
        if self.holds == "odd":
            raise TypeError("secret words")
        self.made.append(Keyed(self.holds))
        return self.made[-1]

    def key(self) -> str:
        """Return what who is asked now was made of."""
        provider = self.wired.provider
        assert isinstance(provider, Keyed)
        return provider.key

    async def look(self) -> None:
        """Let one round pass."""

        async def passed() -> None:
            while self._clock.next_due_ms() is None:  # noqa: ASYNC110  # a clock tells nobody
                await asyncio.sleep(0)

        await awaited("it sleeps until the next round", passed())
        looks = self.looks
        self._clock.advance(self._clock.now_ms() + EVERY_MS)
        await awaited("it has looked", passed())
        assert self.looks == looks + 1

    async def close(self) -> None:
        """Stop looking."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.close()


async def test_a_file_that_holds_something_else_makes_another_provider(bench: Bench) -> None:
    await bench.look()
    assert (bench.key(), bench.renewed) == ("A", [])
    bench.holds = "B"
    await bench.look()
    assert (bench.key(), bench.renewed) == ("B", ["keyed"])
    await bench.look()
    assert len(bench.made) == 2


async def test_a_call_under_way_ends_with_the_one_that_it_began_with(bench: Bench) -> None:
    lent = bench.wired.lent

    async def call() -> Sequence[ProviderOutcome]:
        with lent as provider:
            return await provider.send([])

    under_way = asyncio.get_running_loop().create_task(call())
    await asyncio.sleep(0)
    bench.holds = "B"
    await bench.look()
    old, new = bench.made
    assert not old.closed
    old.go_on.set()
    assert await under_way == [Accepted("A")]
    await bench.look()
    assert (old.closed, new.closed) == (True, False)


async def test_whoever_ends_closes_all_of_them(bench: Bench) -> None:
    with bench.wired.lent:
        bench.holds = "B"
        await bench.look()
        await bench.wired.close()
        assert [each.closed for each in bench.made] == [True, True]


@pytest.mark.parametrize(
    ("holds", "says"),
    [
        ("garbage", "providers.keyed.key_file holds no key"),
        ("odd", "reading them failed inside: TypeError"),
    ],
)
async def test_what_cannot_be_used_is_told_once_and_changes_nothing(
    bench: Bench, holds: str, says: str
) -> None:
    bench.holds = holds
    with structlog.testing.capture_logs() as logs:
        await bench.look()
        await bench.look()
    assert (bench.key(), bench.renewed, bench.wired.outdated) == ("A", [], says)
    (told,) = logs
    assert told == {
        "event": "credentials_unusable",
        "log_level": "warning",
        "provider": "keyed",
        "files": ["key"],
        "detail": says,
    }
    bench.holds = "B"
    await bench.look()
    assert (bench.key(), bench.wired.outdated) == ("B", None)


async def test_the_old_content_put_back_is_well_again(bench: Bench) -> None:
    first = bench.wired.provider
    bench.holds = "garbage"
    await bench.look()
    bench.holds = "A"
    await bench.look()
    assert bench.wired.outdated is None
    assert bench.wired.provider is first


async def test_it_ends_at_once_where_nothing_can_change() -> None:
    wired = Wired(Keyed("A"), ProviderSettings())
    await awaited("it ends", Renewing([wired], print, VirtualClock(BEGIN_MS)).run())
