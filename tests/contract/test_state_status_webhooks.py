"""What every store of status webhooks guarantees."""

from __future__ import annotations

import msgspec

from tests.contract.state_stores import StateStores
from tocsin.domain.status_webhook import StatusWebhook, Told

FROM = Told((("outcomes", 0, 5, 0),), at_ms=1)
TO = Told((("outcomes", 0, 5, 0),), (("outcomes", 0, 9, 2),), 7, 3, 8)


def webhook(key: str, **fields: object) -> StatusWebhook:
    one = StatusWebhook(key=key, url="https://canary.example/", sealed_secret=b"sealed")
    return msgspec.structs.replace(one, **fields)


async def test_what_was_put_is_there_after_a_restart(state: StateStores) -> None:
    rows = await state.status_webhooks()
    heard: list[int] = []
    rows.on_change(lambda: heard.append(1))
    await rows.put(webhook("b", states=("sent",)), FROM)
    await rows.put(webhook("a"), FROM)
    await rows.put(webhook("a", version=2, paused=True), TO)
    assert len(heard) == 3
    await state.reopen()
    rows = await state.status_webhooks()
    assert await rows.all() == [
        webhook("a", version=2, paused=True),
        webhook("b", states=("sent",)),
    ]
    assert await rows.told("a") == FROM
    assert await rows.told("x") is None


async def test_how_far_it_was_told_is_kept_until_it_is_removed(state: StateStores) -> None:
    rows = await state.status_webhooks()
    await rows.put(webhook("a"), FROM)
    await rows.tell("a", TO)
    await rows.tell("x", TO)
    await state.reopen()
    rows = await state.status_webhooks()
    assert await rows.told("a") == TO
    assert await rows.delete("a")
    assert not await rows.delete("a")
    assert await rows.told("a") is None
    assert await rows.all() == []


async def test_only_the_version_that_failed_is_given_up_and_once(state: StateStores) -> None:
    rows = await state.status_webhooks()
    await rows.put(webhook("a", version=2), FROM)
    assert not await rows.disable("a", 1, 50)
    assert await rows.disable("a", 2, 50)
    assert not await rows.disable("a", 2, 60)
    assert await rows.all() == [webhook("a", version=2, disabled_ms=50)]
    await rows.put(webhook("a", version=3), FROM)
    assert await rows.all() == [webhook("a", version=3)]


async def test_nothing_that_is_shown_holds_an_address(state: StateStores) -> None:
    assert "canary" not in repr(webhook("a"))
    assert state is not None
