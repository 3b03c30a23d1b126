"""ETags of the inbox: answered from memory, and never a lie."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from tests.contract.view_records import BEGIN_MS, broadcast, item
from tests.contract.view_stores import LAYOUTS
from tests.gateway.site import Site
from tocsin.app.inbox import LOOKED_AT_MAX, Filter, Reader
from tocsin.ports.log import Output

ANA = Reader(1, "r1")


@pytest.fixture(params=LAYOUTS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path, cast(str, request.param))
    await made.open()
    yield made
    await made.close()


class Poller:
    """Polls one address with the last ETag."""

    def __init__(self, site: Site, path: str, number: int = 1) -> None:
        self._site = site
        self._path = path
        self._number = number
        self._tag: str | None = None

    async def poll(self) -> Any:
        """Return the body, None for 304."""
        headers = {"Authorization": f"Bearer {self._site.token(self._number)}"}
        if self._tag is not None:
            headers["If-None-Match"] = self._tag
        transport = httpx2.ASGITransport(app=self._site.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
            answer = await client.get(self._path, headers=headers)
        self._tag = answer.headers["etag"]
        return None if answer.status_code == 304 else answer.json()


async def put(
    site: Site, number: int, *, recipient: int = 1, expires_ms: int | None = None
) -> None:
    partition = site.stores.log.partition_of("inbox.bulk", recipient)
    made = item(recipient, number, BEGIN_MS + number, expires_ms)
    await site.stores.put(Output("inbox.bulk", partition, [made]))


async def test_nothing_new_is_304_whatever_happens_to_others(site: Site) -> None:
    page, counts = Poller(site, "/v1/inbox"), Poller(site, "/v1/inbox/counts")
    assert await page.poll()
    assert await counts.poll() == {"unseen": 0, "unread": 0}
    await put(site, 1, recipient=3)

    assert await page.poll() is None
    assert await counts.poll() is None


async def test_whatever_changes_the_inbox_ends_the_tag(site: Site) -> None:
    page = Poller(site, "/v1/inbox?limit=5")
    await page.poll()

    await put(site, 1)
    assert (await page.poll())["counts"] == {"unseen": 1, "unread": 1}
    assert await page.poll() is None
    await site.desk.change_all(ANA, "seen")
    assert (await page.poll())["counts"] == {"unseen": 0, "unread": 1}
    assert await page.poll() is None
    await site.stores.put(Output("inbox.broadcasts", 0, [broadcast((1,), 7, BEGIN_MS)]))
    assert (await page.poll())["counts"] == {"unseen": 1, "unread": 2}
    assert await page.poll() is None


async def test_expiry_ends_the_tag_without_any_record(site: Site) -> None:
    await put(site, 1, expires_ms=BEGIN_MS + 5_000)
    page, counts = Poller(site, "/v1/inbox"), Poller(site, "/v1/inbox/counts")
    assert len((await page.poll())["items"]) == 1
    await counts.poll()
    site.clock.advance(BEGIN_MS + 4_999)
    assert await page.poll() is None
    site.clock.advance(BEGIN_MS + 5_000)

    assert (await page.poll())["items"] == []
    assert await counts.poll() == {"unseen": 0, "unread": 0}


async def test_an_archived_item_that_expires_ends_the_tag_of_its_list(site: Site) -> None:
    await put(site, 1, expires_ms=BEGIN_MS + 5_000)
    await site.desk.change_all(ANA, "archive")
    archived = Poller(site, "/v1/inbox?status=archived")
    assert len((await archived.poll())["items"]) == 1
    site.clock.advance(BEGIN_MS + 5_000)

    assert (await archived.poll())["items"] == []


async def test_a_feed_that_lost_everything_does_not_make_tags_lie(site: Site) -> None:
    page = Poller(site, "/v1/inbox")
    await page.poll()
    site.keep = lambda _: False
    await put(site, 1)

    assert (await page.poll())["counts"] == {"unseen": 1, "unread": 1}
    assert await page.poll() is None


async def test_a_tag_is_of_one_question_and_one_process(site: Site) -> None:
    page = Poller(site, "/v1/inbox")
    await page.poll()
    tag = site.versions.current(1, "x")

    assert tag != site.versions.current(1, "y")
    assert tag is not None
    assert "boot" in tag


async def test_those_who_poll_most_lately_are_kept(site: Site) -> None:
    first = site.versions.begin(1)
    for number in range(2, 102):
        site.versions.begin(number)

    assert len(site.versions) == 100
    assert site.versions.begin(1) != first


async def test_a_long_inbox_is_read_in_bounded_pieces(site: Site) -> None:
    made = [item(1, 2 * n, BEGIN_MS + n) for n in range(2 * LOOKED_AT_MAX)]
    wanted = item(1, 1, BEGIN_MS - 1)
    await site.stores.put(Output("inbox.bulk", 1, [wanted, *made]))
    after: str | None = None
    found: list[str] = []
    pages = 0
    while pages == 0 or after is not None:
        page = await site.desk.page(ANA, Filter(category="orders"), after=after, limit=5)
        found += [json.loads(each)["id"] for each in page.items]
        after = page.next
        pages += 1

    assert found == ["ntf_" + wanted.key.hex()]
    assert pages == 3


async def test_pages_follow_one_another_without_gap_or_repeat(site: Site) -> None:
    await site.stores.put(
        Output("inbox.bulk", 1, [item(1, n, BEGIN_MS + n // 3) for n in range(25)])
    )
    after: str | None = None
    found: list[str] = []
    while True:
        page = await site.desk.page(ANA, Filter(status="unread"), after=after, limit=4)
        found += [json.loads(each)["title"] for each in page.items]
        if page.next is None:
            break
        assert len(page.items) == 4
        after = page.next

    assert found == [str(n) for n in reversed(range(25))]
