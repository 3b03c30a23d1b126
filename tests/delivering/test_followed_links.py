"""Letters tell when they are opened and followed, if they may; their links lead nowhere else."""

from __future__ import annotations

import email
import email.policy
import re
import string
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.delivering.site import BEGIN_MS, LAYOUTS, Site, Vendor, delivery_of, process
from tests.delivering.test_emails import Front, ana
from tocsin.app.followed_links import FollowedLinks
from tocsin.app.leaving import LeaveLinks
from tocsin.app.optouts import OptOuts
from tocsin.channels.email.smtp.simulator import SmtpSimulator
from tocsin.domain.ids import show_delivery
from tocsin.domain.preferences_read import read_preferences, show_preferences
from tocsin.domain.recipient import Recipient
from tocsin.domain.workflow import Workflow, compile_workflow
from tocsin.domain.workflow_read import read_document, show_document
from tocsin.errors import NotFound
from tocsin.ports.message import Content

TARGET = "https://shop.test/orders/1?a=1&b=2&long=" + "x" * 1_300
PAGE = f'<p>See <a href="{TARGET.replace("&", "&amp;")}">your order</a>.</p>'
WORKFLOW: dict[str, Any] = {
    "key": "alarm",
    "category": "orders",
    "tracking": {"opens": True, "clicks": True},
    "steps": [{"channel": "email", "subject": "Order", "html": PAGE}],
}
DELIVERY = bytes(range(20))
TOKENS = string.ascii_letters + string.digits + "-_"


@pytest.fixture(params=LAYOUTS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with (
        Vendor(SmtpSimulator()).serving() as vendor,
        process(tmp_path, request.param, vendor, retry_base="1s") as site,
    ):
        site.start()
        await site.publish(WORKFLOW)
        yield site


def page_of(site: Site, delivery: bytes) -> str:
    (letter,) = site.simulator.messages(to=show_delivery(delivery))
    read = email.message_from_bytes(letter.raw, policy=email.policy.default)
    part = read.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def urls_of(page: str) -> tuple[str, str]:
    """Return the link that is followed, and the picture's."""
    link, picture = re.search(r'<a href="([^"]+)"', page), re.search(r'<img src="([^"]+)"', page)
    assert link is not None
    assert picture is not None
    return unescape(link[1]), unescape(picture[1])


def parts_of(link: str) -> tuple[str, str, str]:
    """Return what stands before the token, the token, and the query."""
    begin, _, rest = link.rpartition("/")
    token, _, query = rest.partition("?")
    return f"{begin}/", token, query


async def test_opening_and_following_are_told(site: Site) -> None:
    one, front = await ana(site), Front(site)
    event = await site.send(one.id, 1)
    await site.until_settled(event, one, "sent")
    delivery = delivery_of(event, one)
    link, picture = urls_of(page_of(site, delivery))
    assert link.startswith("http://127.0.0.1:8600/v1/t/")
    for each, status in ((picture, 200), (link, 302)):
        # A program that looks ahead, as scanners of mail do.
        looked = await front.client.head(each, follow_redirects=False)
        assert (looked.status_code, looked.content) == (status, b"")
    looked_at = (await site.services.delivery.histories.of([delivery]))[delivery]
    assert not looked_at.receipts
    shown = await front.client.get(picture)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/gif")
    assert shown.content.startswith(b"GIF89a")
    led = await front.client.get(link, follow_redirects=False)
    assert (led.status_code, led.headers["location"]) == (302, TARGET)
    assert led.headers["cache-control"] == "no-store, private"

    async def are_told() -> bool:
        history = (await site.services.delivery.histories.of([delivery]))[delivery]
        return {"opened", "clicked", "delivered"} <= {state for _, state, _ in history.receipts}

    await site.until(are_told)


async def test_nobody_is_led_elsewhere(site: Site) -> None:
    front = Front(site)
    event = await site.send((await ana(site)).id, 1)
    one = (await site.services.stores.recipients.by_id(["ana"]))["ana"]
    await site.until_settled(event, one, "sent")
    link, _ = urls_of(page_of(site, delivery_of(event, one)))
    begin, token, target = parts_of(link)
    wrong = [token[:-1], token + "A", "", "x" * 500]
    wrong += [
        token[:at] + TOKENS[(TOKENS.index(token[at]) + 1) % 64] + token[at + 1 :]
        for at in range(0, len(token), 7)
    ]
    elsewhere = [
        f"{begin}{token}?to=https://evil.test/",
        f"{begin}{token}",
        f"{link}x",
        f"{link}&to=x",
    ]
    for each in [*(f"{begin}{one}?{target}" for one in wrong), *elsewhere]:
        answer = await front.client.get(each, follow_redirects=False)
        assert answer.status_code in {404, 422}
        assert "location" not in answer.headers


def links(
    *, opens: bool = False, clicks: bool = False, base: str | None = "https://t.test"
) -> FollowedLinks:
    return FollowedLinks(b"k" * 32, LeaveLinks({1: b"k" * 32}, 1, base), opens=opens, clicks=clicks)


def workflow(**tracking: bool) -> Workflow:
    return compile_workflow(read_document({**WORKFLOW, "tracking": tracking}), 1)


def page(links: FollowedLinks, chosen: Workflow, choice: bool | None = None) -> str:
    preferences = read_preferences({} if choice is None else {"tracking": choice})
    recipient = Recipient(1, "ana", preferences=preferences)
    content = Content("", "", {"html": PAGE, "text": "words"})
    return links.content(content, DELIVERY, chosen, recipient).fields["html"]


def test_nothing_is_told_unless_somebody_wants_it() -> None:
    assert page(links(), workflow()) == PAGE


def test_a_workflow_decides_for_its_own_letters() -> None:
    assert page(links(opens=True, clicks=True), workflow(opens=False, clicks=False)) == PAGE
    only_opens = page(links(clicks=True), workflow(opens=True, clicks=False))
    assert only_opens.startswith(PAGE)
    assert "<img" in only_opens


def test_a_person_who_does_not_want_it_is_never_followed() -> None:
    every = links(opens=True, clicks=True)
    assert page(every, workflow(opens=True, clicks=True), choice=False) == PAGE
    assert page(every, workflow(), choice=True) != PAGE


def test_without_an_address_of_the_server_nothing_is_exchanged() -> None:
    assert page(links(opens=True, base=None), workflow()) == PAGE


def test_links_of_another_kind_are_not_taken() -> None:
    leave = LeaveLinks({1: b"k" * 32}, 1, "https://t.test")
    _, picture = urls_of(page(links(opens=True, clicks=True), workflow()))
    with pytest.raises(NotFound):
        leave.read(picture.rpartition("/")[2])


def test_a_link_says_what_it_was_made_of() -> None:
    made = links(opens=True, clicks=True)
    link, picture = urls_of(page(made, workflow()))
    followed = made.read(parts_of(link)[1], TARGET)
    assert followed == (DELIVERY, TARGET)
    assert "shop" not in repr(followed)
    assert made.read(parts_of(picture)[1], None) == (DELIVERY, None)
    assert made.read(parts_of(picture)[1], "").target is None


def test_documents_are_shown_as_they_were_read() -> None:
    assert show_document(read_document(WORKFLOW))["tracking"] == WORKFLOW["tracking"]
    assert show_preferences(read_preferences({"tracking": False}))["tracking"] is False
    assert "tracking" not in show_preferences(read_preferences({}))


async def test_a_restored_backup_follows_nobody_who_did_not_want_it(site: Site) -> None:
    one, front = await ana(site), Front(site)
    said = await front.local.patch("/v1/recipients/ana/preferences", json={"tracking": False})
    assert (said.status_code, said.json()["tracking"]) == (200, False)
    stores = site.services.stores
    left = (await stores.recipients.by_id(["ana"]))["ana"]
    old = msgspec.structs.replace(one, version=left.version + 1, changed_ms=BEGIN_MS - 1)
    await stores.recipients.put([old])
    journal = OptOuts(stores.journal, stores.sealer)
    assert await journal.restore(stores.recipients, stores.suppressions)
    event = await site.send("ana", 1)
    await site.until_settled(event, one, "sent")
    assert "/v1/t/" not in page_of(site, delivery_of(event, one))
