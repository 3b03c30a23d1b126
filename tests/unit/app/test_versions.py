"""Versions that are stored although others store theirs."""

from __future__ import annotations

import pytest

from tocsin.app.versions import at_last
from tocsin.errors import Conflict


class _Race:
    """Somebody else is first so many times."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.tries = 0

    async def __call__(self) -> str | None:
        self.tries += 1
        return None if self.tries <= self.lost else "stored"


async def test_who_comes_late_tries_again() -> None:
    race = _Race(lost=7)
    assert await at_last(race) == "stored"
    assert race.tries == 8


async def test_who_always_comes_late_is_told() -> None:
    race = _Race(lost=100)
    with pytest.raises(Conflict) as refused:
        await at_last(race)
    assert (refused.value.code, race.tries) == ("contended", 8)


async def test_a_change_that_is_refused_is_not_tried_again() -> None:
    tries = []

    async def refuse() -> str | None:
        tries.append(1)
        raise Conflict("too many", code="too_many")

    with pytest.raises(Conflict) as refused:
        await at_last(refuse)
    assert (refused.value.code, len(tries)) == ("too_many", 1)
