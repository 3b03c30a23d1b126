"""Email all the way: from an event to a mailbox, and by the letter's own link out of it."""

from __future__ import annotations

import asyncio
import email
import email.policy
import string
from collections.abc import AsyncIterator
from email.message import EmailMessage
from functools import partial
from pathlib import Path

import httpx2
import msgspec
import pytest

from tests.delivering.site import BEGIN_MS, LAYOUTS, Site, Vendor, delivery_of, process
from tocsin.app.optouts import OptOuts
from tocsin.channels.email.smtp.simulator import SmtpSimulator
from tocsin.domain.category import Category
from tocsin.domain.ids import show_delivery, show_event
from tocsin.domain.preferences import Preferences, QuietHours
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Settled
from tocsin.ports.outcomes import ProviderReason
from tocsin.ports.simulator import Dial
from tocsin.wiring.http import build_driving

WORKFLOW = {
    "key": "alarm",
    "category": "orders",
    "steps": [{"channel": "email", "title": "Order {{ data.n }}", "body": "Is on its way"}],
}
ADDRESS = "ana-canary-1@example.test"
ONE_CLICK = "List-Unsubscribe=One-Click"


class Front:
    """The HTTP side, called by nobody in particular."""

    def __init__(self, site: Site) -> None:
        driving = build_driving(
            site.services, asyncio.get_running_loop(), _spawns_nothing, lambda: False
        )
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=driving.api.network(), client=("192.0.2.9", 5000)),
            base_url="http://127.0.0.1:8600",
        )
        self.local = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=driving.api.local()), base_url="http://tocsin.test"
        )

    async def sentence(self, event: bytes) -> str:
        """Return why ana got it or not, empty while that is not decided."""
        query = {"event": show_event(event), "recipient": "ana"}
        answer = await self.local.get("/v1/explain", params=query)
        return str(answer.json().get("sentence", ""))


@pytest.fixture(params=LAYOUTS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with (
        Vendor(SmtpSimulator()).serving() as vendor,
        process(tmp_path, request.param, vendor, retry_base="1s") as site,
    ):
        site.start()
        await site.publish(WORKFLOW)
        yield site


async def ana(site: Site) -> Recipient:
    return await site.person("ana", ADDRESS, channel="email")


async def sent(site: Site, one: Recipient, n: int) -> EmailMessage:
    """Send an event and return the letter that comes of it."""
    event = await site.send(one.id, n)
    await site.until_settled(event, one, "sent")
    (letter,) = site.simulator.messages(to=show_delivery(delivery_of(event, one)))
    return email.message_from_bytes(letter.raw, policy=email.policy.default)


def link(letter: EmailMessage) -> str:
    return str(letter["List-Unsubscribe"]).strip("<>")


async def test_an_event_arrives_as_a_letter(site: Site) -> None:
    letter = await sent(site, await ana(site), 42)
    assert (letter["To"], letter["Subject"]) == (ADDRESS, "Order 42")
    text = letter.get_body(("plain",))
    assert text is not None
    assert "Is on its way" in text.get_content()
    assert letter["List-Id"] == "<orders.sandbox.test>"
    assert letter["List-Unsubscribe-Post"] == ONE_CLICK
    assert link(letter).startswith("http://127.0.0.1:8600/u/")
    assert link(letter) in text.get_content()


async def test_one_click_switches_this_category_off_by_email(site: Site) -> None:
    one, front = await ana(site), Front(site)
    url = link(await sent(site, one, 1))
    answer = await front.client.post(
        url, content=ONE_CLICK, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
    event = await site.send("ana", 2)

    async def is_refused() -> bool:
        return "did not get it by email" in await front.sentence(event)

    await site.until(is_refused)
    assert "switched it off" in await front.sentence(event)
    assert len(site.simulator.messages()) == 1
    stored = (await site.services.stores.recipients.by_id(["ana"]))["ana"]
    assert stored.preferences is not None
    assert stored.preferences.categories["orders"].channels == {"email": False}
    assert not stored.preferences.channels


async def test_leaving_twice_changes_nothing_more(site: Site) -> None:
    one, front = await ana(site), Front(site)
    url = link(await sent(site, one, 1))
    versions = []
    for files in (None, {"List-Unsubscribe": (None, "One-Click")}, None):
        data = None if files else {"List-Unsubscribe": "One-Click"}
        answer = await front.client.post(url, data=data, files=files)
        assert answer.status_code == 200
        assert "unsubscribed" in answer.text
        stored = (await site.services.stores.recipients.by_id(["ana"]))["ana"]
        versions.append(stored.version)
    assert versions == [one.version + 1] * 3


async def test_looking_at_the_page_changes_nothing(site: Site) -> None:
    one, front = await ana(site), Front(site)
    url = link(await sent(site, one, 1))
    for method in ("GET", "HEAD"):
        answer = await front.client.request(method, url)
        assert answer.status_code == 200
    page = await front.client.get(url)
    assert '<form method="post">' in page.text
    assert "<script" not in page.text
    policy = page.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert "default-src 'none'" in policy[0]
    assert "form-action 'self'" in policy[0]
    assert "unsafe" not in policy[0]
    assert (page.headers["referrer-policy"], page.headers["cache-control"]) == (
        "no-referrer",
        "no-store",
    )
    stored = (await site.services.stores.recipients.by_id(["ana"]))["ana"]
    assert stored.version == one.version


async def test_without_the_words_of_the_standard_nothing_happens(site: Site) -> None:
    one, front = await ana(site), Front(site)
    url = link(await sent(site, one, 1))
    for body in ("", "List-Unsubscribe=Two-Click", '{"List-Unsubscribe":"One-Click"}'):
        assert (await front.client.post(url, content=body)).status_code == 422
    assert (await front.client.post(url, content=ONE_CLICK + "&" * 5_000)).status_code == 413
    stored = (await site.services.stores.recipients.by_id(["ana"]))["ana"]
    assert stored.version == one.version


async def test_a_link_that_was_changed_anywhere_is_none(site: Site) -> None:
    one, front = await ana(site), Front(site)
    url = link(await sent(site, one, 1))
    base, _, token = url.rpartition("/")
    changed = [token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :] for n in range(20)]
    # The last character has bits that say nothing; base64 reads them and padding all the same.
    alphabet = string.ascii_letters + string.digits
    same = [token[:-1] + each for each in alphabet if each != token[-1]] + [token + "="]
    for bad in (*changed, *same, token[:-1], token + "AAAA", "x", "x" * 250, "%00", "é"):
        for method in ("GET", "POST"):
            answer = await front.client.request(method, f"{base}/{bad}", content=ONE_CLICK)
            assert answer.status_code in {404, 422}, bad
            assert "unsubscribed" not in answer.text
    stored = (await site.services.stores.recipients.by_id(["ana"]))["ana"]
    assert stored.version == one.version


async def test_leaving_holds_over_a_backup_that_was_made_before(site: Site) -> None:
    one, front = await ana(site), Front(site)
    await front.client.post(link(await sent(site, one, 1)), data={"List-Unsubscribe": "One-Click"})
    stores = site.services.stores
    left = (await stores.recipients.by_id(["ana"]))["ana"]
    old = msgspec.structs.replace(one, version=left.version + 1, changed_ms=BEGIN_MS - 1)
    await stores.recipients.put([old])
    assert await OptOuts(stores.journal, stores.sealer).restore(
        stores.recipients, stores.suppressions
    )
    again = (await stores.recipients.by_id(["ana"]))["ana"]
    assert again.preferences is not None
    assert again.preferences.categories["orders"].channels == {"email": False}


async def test_what_nobody_can_switch_off_has_no_link(site: Site) -> None:
    await site.publish({**WORKFLOW, "required": True})
    letter = await sent(site, await ana(site), 1)
    assert letter["List-Unsubscribe"] is None
    assert letter["List-Unsubscribe-Post"] is None


async def _put_off(site: Site, event: bytes, one: Recipient, times: int) -> bool:
    found = await site.history(event, one)
    return sum(isinstance(each, Settled) and each.state == "deferred" for each in found) == times


async def test_every_attempt_is_the_same_letter(site: Site) -> None:
    one = await ana(site)
    site.simulator.dial([Dial.THROTTLE, Dial.TAKE_AND_DROP])
    event = await site.send("ana", 1)
    for calls in (1, 2):
        # The ledger may be behind, and still say what it said of the call before.
        await site.until(partial(_put_off, site, event, one, calls))
        await site.pass_time(4 * 3_600_000)
        await site.until_called(calls + 1)
    await site.until_settled(event, one, "sent")
    letters = [email.message_from_bytes(each.raw) for each in site.simulator.messages()]
    assert len(letters) == 3
    assert len({letter["Message-ID"] for letter in letters}) == 1


async def test_a_dead_mailbox_leaves_the_registry(site: Site) -> None:
    one = await site.person("ana", "r550-5.1.1@example.test", channel="email")
    event = await site.send("ana", 1)
    found = await site.until_settled(event, one, "failed")
    settled = found[-1]
    assert isinstance(settled, Settled)
    assert settled.reason == ProviderReason.DEAD_ADDRESS
    assert settled.detail == "rcpt: 550 5.1.1"
    stored = (await site.services.stores.recipients.by_id(["ana"]))["ana"]
    assert stored.addresses[0].dead_ms is not None


@pytest.mark.parametrize("held", [True, False])
async def test_quiet_hours_hold_email_only_where_the_category_says_so(
    site: Site, held: bool
) -> None:
    stores = site.services.stores
    category = Category("orders", hold_email_in_quiet_hours=held)
    await stores.workflows.put_category(category, BEGIN_MS)
    await site.services.workflows.refresh()
    one = await ana(site)
    always = Preferences(quiet_hours=(QuietHours((), 0, 0),))
    quiet = msgspec.structs.replace(one, preferences=always, version=one.version + 1)
    await stores.recipients.put([quiet])
    event = await site.send("ana", 1)
    if not held:
        await site.until_settled(event, one, "sent")
        return

    async def waits() -> bool:
        return bool(await stores.timers.due(BEGIN_MS + 10 * 86_400_000, 10))

    await site.until(waits)
    assert not site.simulator.messages()


def _spawns_nothing(_work: object) -> None:
    raise AssertionError("no socket is opened here")
