"""What is held for an address that goes away meanwhile: who gets the message in its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from tests.app.town import LAYOUTS, Town, opened
from tocsin.domain.case import ChannelFacts
from tocsin.domain.preferences import Preferences, QuietHours
from tocsin.domain.recipient import Address, Recipient
from tocsin.domain.records import Handoff, Plan
from tocsin.wiring.channels import without_providers

DAY_MS = 86_400_000
EMAIL = ChannelFacts(configured=True, interrupts=True, needs_address=True)
QUIET = QuietHours((), 0, 23 * 60)
"""Silence until 23:00 UTC."""


@pytest.fixture(params=LAYOUTS)
async def town(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Town]:
    channels = {**without_providers().facts(), "email": EMAIL}
    async with opened(tmp_path, str(request.param), channels) as made:
        await made.publish(
            {"key": "note", "steps": [{"channel": "email", "subject": "s", "text": "b"}]}
        )
        yield made


async def test_an_address_that_was_planned_already_takes_nobodys_place(town: Town) -> None:
    await _person(town, (1, 2))
    event = await _held(town)
    await _change(town, (2,))
    await _released(town)
    assert await _handed(town, event) == {2: 1}
    assert await _planned(town, event) == {1: 1, 2: 1}


async def test_an_address_that_came_later_takes_the_place_of_the_one_that_went(town: Town) -> None:
    await _person(town, (1, 2))
    event = await _held(town)
    await _change(town, (2, 3))
    await _released(town)
    assert await _handed(town, event) == {2: 1, 3: 1}


async def test_an_address_that_came_later_gets_nothing_while_the_others_are_there(
    town: Town,
) -> None:
    await _person(town, (1, 2))
    event = await _held(town)
    await _change(town, (1, 2, 3))
    await _released(town)
    assert await _handed(town, event) == {1: 1, 2: 1}


async def test_two_addresses_that_went_have_one_successor_between_them(town: Town) -> None:
    await _person(town, (1, 2))
    event = await _held(town)
    await _change(town, (3,))
    await _released(town)
    assert await _handed(town, event) == {3: 1}
    assert await _planned(town, event) == {1: 1, 2: 1, 3: 1}


async def test_a_hold_that_is_renewed_remembers_by_which_addresses_it_was_planned(
    town: Town,
) -> None:
    """Between the two releases address 3 came; the first one covered 1 alone."""
    await _person(town, (1,))
    event = await _held(town)
    still = Preferences(do_not_disturb_until_ms=town.clock.now_ms() + 2 * DAY_MS)
    await _change(town, (1, 3), still)
    await _released(town)
    assert await _handed(town, event) == {}
    await _change(town, (3,), still)
    await _released(town)
    assert await _handed(town, event) == {3: 1}


def _addresses(numbers: Sequence[int]) -> tuple[Address, ...]:
    return tuple(Address(n, "email", b"sealed", bytes([n]) * 16) for n in numbers)


async def _person(town: Town, numbers: Sequence[int]) -> None:
    prefers = Preferences(quiet_hours=(QUIET,))
    one = Recipient(0, "ana", version=1, addresses=_addresses(numbers), preferences=prefers)
    await town.services.stores.recipients.put([one])


async def _change(
    town: Town, numbers: Sequence[int], preferences: Preferences | None = None
) -> None:
    recipients = town.services.stores.recipients
    before = (await recipients.by_id(["ana"]))["ana"]
    after = msgspec.structs.replace(
        before,
        version=before.version + 1,
        addresses=_addresses(numbers),
        preferences=preferences or before.preferences,
    )
    await recipients.put([after])


async def _held(town: Town) -> bytes:
    town.start()
    (event,) = await town.send({"type": "note", "recipients": ["ana"]})
    await town.routed()
    assert await _handed(town, event) == {}
    return event


async def _released(town: Town) -> None:
    """Let the time of everything that is held now come."""
    timers = town.services.stores.timers
    due_ms = await timers.next_due_ms()
    assert due_ms is not None
    town.clock.advance(due_ms)
    await town.services.timers.fire()
    await town.routed()


async def _handed(town: Town, event: bytes) -> dict[int, int]:
    """Return how often each address was handed over."""
    found = await town.records("deliver.email.transactional")
    return dict(
        Counter(
            each.address
            for each in found
            if isinstance(each, Handoff) and each.delivery[:10] == event[:10]
        )
    )


async def _planned(town: Town, event: bytes) -> dict[int, int]:
    """Return how often each address was decided for good."""
    counted: Counter[int] = Counter()
    for each in await town.records("plans.transactional"):
        if not isinstance(each, Plan) or each.event != event:
            continue
        for run in each.runs:
            for note in run.notifications:
                counted.update(d.address for d in note.decisions if d.until_ms is None)
    return dict(counted)
