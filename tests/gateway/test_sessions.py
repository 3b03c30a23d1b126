"""Single promises of the gateway's sessions, over real sockets and real files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.contract.view_records import BEGIN_MS, broadcast, item
from tests.contract.view_stores import LAYOUTS
from tests.gateway.site import Site
from tests.unit.gateway.site import closing_of
from tocsin.app.inbox import Reader
from tocsin.ports.log import Output

ANA = Reader(1, "r1")
READERS = 2
"""Threads that read one file."""


@pytest.fixture(params=LAYOUTS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path, cast(str, request.param))
    await made.open(sockets_max=2)
    yield made
    await made.close()


def device(site: Site, *, batch: bool = False, token: str | None = None) -> connect:
    name = "tocsin.v1.batch" if batch else "tocsin.v1"
    offered = [Subprotocol(name), Subprotocol(f"bearer.{token or site.token(1)}")]
    return connect(f"ws://127.0.0.1:{site.port}/v1/inbox/socket", subprotocols=offered, proxy=None)


async def heard(client: ClientConnection) -> Any:
    return json.loads(await client.recv())


async def send_items(site: Site, *numbers: int, recipient: int = 1) -> None:
    made = [item(recipient, number, BEGIN_MS + number) for number in numbers]
    partition = site.stores.log.partition_of("inbox.bulk", recipient)
    await site.stores.put(Output("inbox.bulk", partition, made))


@contextlib.asynccontextmanager
async def reads_held_up(site: Site) -> AsyncIterator[None]:
    """Let no read end until the block does."""
    let_go, begun = threading.Event(), threading.Semaphore(0)

    def read(_: object) -> None:
        begun.release()
        let_go.wait(60)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(READERS):
            tasks.create_task(site.stores.view_readers.run(read))
            await asyncio.to_thread(begun.acquire)
        try:
            yield
        finally:
            let_go.set()


async def test_messages_of_one_tick_travel_in_one_frame(site: Site) -> None:
    async with device(site, batch=True) as together, device(site) as apart:
        (hello,) = await heard(together)
        await heard(apart)
        await send_items(site, 1, 2, 3)
        frame = await heard(together)
        single = [await heard(apart) for _ in range(3)]

    assert [each["item"]["title"] for each in frame] == ["1", "2", "3"]
    assert frame[0]["prev"] == hello["cursor"]
    assert [each["prev"] for each in frame[1:]] == [each["cursor"] for each in frame[:-1]]
    assert single == frame
    assert frame[-1]["counts"] == {"unseen": 3, "unread": 3}


async def test_a_message_to_everyone_is_pushed_to_those_it_is_for(site: Site) -> None:
    async with device(site, token=site.token(1)) as ana, device(site, token=site.token(9)) as other:
        hello = await heard(ana)
        await heard(other)
        await site.stores.put(Output("inbox.broadcasts", 0, [broadcast((1, 2, 3), 7, BEGIN_MS)]))
        pushed = await heard(ana)
        await send_items(site, 8, recipient=9)
        after = await heard(other)

    assert (pushed["type"], pushed["item"]["title"]) == ("item", "7")
    assert pushed["item"]["id"].startswith("ntf_")
    assert pushed["prev"] == hello["cursor"]
    assert pushed["counts"] == {"unseen": 1, "unread": 1}
    # Whom it was not for hears nothing of it, before or with what comes next.
    assert (after["item"]["title"], after["counts"]["unread"]) == ("8", 1)


async def test_resume_gives_what_was_missed_and_then_what_happens(site: Site) -> None:
    async with device(site) as client:
        cursor = (await heard(client))["cursor"]
    await send_items(site, 1, 2)
    async with device(site) as client:
        await heard(client)
        await client.send(json.dumps({"type": "resume", "cursor": cursor}))
        first, second = await heard(client), await heard(client)
        await send_items(site, 3)
        third = await heard(client)

    assert [each["item"]["title"] for each in (first, second, third)] == ["1", "2", "3"]
    assert [each["prev"] for each in (first, second, third)] == [
        cursor,
        first["cursor"],
        second["cursor"],
    ]


async def test_a_resume_that_missed_nothing_is_answered_with_the_counts(site: Site) -> None:
    await send_items(site, 1)
    async with device(site) as client:
        hello = await heard(client)
        await client.send(json.dumps({"type": "resume", "cursor": hello["cursor"]}))
        answer = await heard(client)

    assert answer["type"] == "counts"
    assert (answer["prev"], answer["cursor"]) == (hello["cursor"], hello["cursor"])
    assert answer["counts"] == hello["counts"] == {"unseen": 1, "unread": 1}


@pytest.mark.parametrize("cursor", ["2.0.0.0.0.0", "1.ff.0.0.0.0", "", "nonsense"])
async def test_a_cursor_from_elsewhere_means_resync(site: Site, cursor: str) -> None:
    async with device(site) as client:
        await heard(client)
        await client.send(json.dumps({"type": "resume", "cursor": cursor}))

        assert await heard(client) == {"type": "resync"}


async def test_more_than_the_bound_means_resync_and_never_a_part(site: Site) -> None:
    async with device(site) as client:
        cursor = (await heard(client))["cursor"]
    await send_items(site, *range(301))
    async with device(site) as client:
        await heard(client)
        await client.send(json.dumps({"type": "resume", "cursor": cursor}))

        assert await heard(client) == {"type": "resync"}


async def test_what_the_feed_lost_is_noticed_by_the_next_batch(site: Site) -> None:
    async with device(site) as client:
        await heard(client)
        site.keep = lambda _: False
        await send_items(site, 1)
        site.keep = lambda _: True
        await send_items(site, 2)
        told = [await heard(client), await heard(client)]

    assert [each["item"]["title"] for each in told] == ["1", "2"]
    assert told[1]["prev"] == told[0]["cursor"]
    assert told[1]["counts"] == {"unseen": 2, "unread": 2}


async def test_what_the_feed_lost_last_is_healed(site: Site) -> None:
    async with device(site) as client:
        await heard(client)
        site.keep = lambda _: False
        await send_items(site, 1)
        await site.stores.put(Output("inbox.broadcasts", 0, [broadcast((1,), 7, BEGIN_MS)]))
        site.keep = lambda _: True
        site.sessions.heal()
        told = [await heard(client), await heard(client)]

    assert [each["item"]["title"] for each in told] == ["1", "7"]
    assert told[1]["counts"] == {"unseen": 2, "unread": 2}


async def test_counts_that_time_changed_are_told(site: Site) -> None:
    soon = item(1, 1, BEGIN_MS, BEGIN_MS + 1_000)
    await site.stores.put(Output("inbox.bulk", 1, [soon]))
    async with device(site) as client:
        assert (await heard(client))["counts"] == {"unseen": 1, "unread": 1}
        site.clock.advance(BEGIN_MS + 1_000)
        site.sessions.heal()
        told = await heard(client)

    assert (told["type"], told["counts"]) == ("counts", {"unseen": 0, "unread": 0})


async def test_what_time_changes_while_counts_are_read_is_told(site: Site) -> None:
    soon, later = item(1, 1, BEGIN_MS, BEGIN_MS + 1_000), item(1, 2, BEGIN_MS, BEGIN_MS + 2_000)
    await site.stores.put(Output("inbox.bulk", 1, [soon, later]))
    async with device(site) as client:
        await heard(client)
        async with reads_held_up(site):
            site.clock.advance(BEGIN_MS + 1_000)
            site.sessions.heal()
            await asyncio.sleep(0)
            site.clock.advance(BEGIN_MS + 2_000)
            site.sessions.heal()
        told = await heard(client)

    assert (told["type"], told["counts"]) == ("counts", {"unseen": 0, "unread": 0})


async def test_changes_take_effect_in_the_order_of_one_client(site: Site) -> None:
    await send_items(site, 1)
    (stored,) = await site.stores.inbox.items(1, before=None, limit=1)
    id = "ntf_" + stored.key.hex()
    names = ["read", "unread"] * 10
    async with device(site) as client:
        await heard(client)
        for name in names:
            await client.send(json.dumps({"type": name, "ids": [id]}))
        told = [(await heard(client))["state"] for _ in names]

    assert told == names
    (stored,) = await site.stores.inbox.items(1, before=None, limit=1)
    assert stored.state.read_ms is None


async def test_a_socket_ends_before_its_token_and_lives_on_with_a_fresh_one(site: Site) -> None:
    brief = site.token(1, lives_ms=60_000)
    async with device(site, token=brief) as ending, device(site, token=brief) as renewed:
        await heard(ending)
        await heard(renewed)
        site.clock.advance(BEGIN_MS + 50_000)
        await renewed.send(json.dumps({"type": "auth", "token": site.token(1)}))
        await renewed.send(json.dumps({"type": "resume", "cursor": "x"}))
        await heard(renewed)
        site.sessions.end_expired()
        site.clock.advance(BEGIN_MS + 59_000)
        site.sessions.end_expired()

        assert await closing_of(ending) == (1008, "token_expired")
        await send_items(site, 1)
        assert (await heard(renewed))["type"] == "item"


async def test_a_socket_stays_with_its_recipient(site: Site) -> None:
    async with device(site) as client:
        await heard(client)
        await client.send(json.dumps({"type": "auth", "token": site.token(2)}))

        assert (await heard(client))["code"] == "forbidden"
        assert (await closing_of(client))[0] == 1008


async def test_sockets_of_one_recipient_are_bounded(site: Site) -> None:
    async with device(site) as one, device(site) as two, device(site) as three:
        await heard(one)
        await heard(two)
        assert await closing_of(three) == (1008, "too_many_sockets")


async def test_the_first_message_may_bring_the_token(site: Site) -> None:
    address = f"ws://127.0.0.1:{site.port}/v1/inbox/socket"
    async with connect(address, proxy=None) as client:
        await client.send(json.dumps({"type": "auth", "token": site.token(1)}))
        assert (await heard(client))["type"] == "hello"
        assert site.presence.online(1)
    async with connect(address, proxy=None) as client:
        await client.send(json.dumps({"type": "read_all"}))
        assert (await heard(client))["code"] == "unauthenticated"
        assert await closing_of(client) == (1008, "unauthenticated")


@pytest.mark.parametrize("rest", ["", '"jump"}', '"seen","x":' + "[" * 5_000 + "]" * 5_000 + "}"])
async def test_what_cannot_be_read_is_refused_and_the_socket_stays(site: Site, rest: str) -> None:
    async with device(site) as client:
        await heard(client)
        await client.send('{"type":' + rest)
        refused = await heard(client)
        await client.send('{"type":"resume","cursor":"nonsense"}')
        answered = await heard(client)

    assert (refused["type"], refused["code"]) == ("error", "invalid_message")
    assert answered["type"] == "resync"


async def test_too_many_ids_are_refused_and_not_cut_off(site: Site) -> None:
    async with device(site) as client:
        await heard(client)
        ids = ["ntf_" + bytes(16).hex()] * 1_001
        await client.send(json.dumps({"type": "read", "ids": ids}))

        assert (await heard(client))["code"] == "too_many"


async def test_read_all_leaves_what_was_not_visible_yet(site: Site) -> None:
    await send_items(site, 1)
    async with device(site) as client:
        cursor = (await heard(client))["cursor"]
        await send_items(site, 2)
        await heard(client)
        await site.desk.change_all(ANA, "read", cursor)
        told = await heard(client)

    assert (told["all"], told["until"], told["state"]) == (True, cursor, "read")
    assert told["counts"] == {"unseen": 1, "unread": 1}
