"""Teams, on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.channels.chat_vendor import AT_MS, NASTY, REFERENCE, Chat, playing
from tocsin.channels.chat.teams.simulator import TeamsSimulator
from tocsin.config import Misconfigured
from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import Callback, ReceiptState
from tocsin.ports.simulator import Dial


@pytest.fixture
async def teams() -> AsyncIterator[Chat]:
    async with playing("teams") as found:
        yield found


def card(teams: Chat) -> Any:
    """Return the card of the last call."""
    body = teams.simulator.messages()[0].raw.partition(b"\r\n\r\n")[2]
    (attachment,) = msgspec.json.decode(body)["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    return attachment["content"]


async def test_texts_are_runs_that_nothing_reads(teams: Chat) -> None:
    assert await teams.send(teams.message(body=NASTY + "\n{{DATE(x)}}")) == Accepted()
    shown = card(teams)
    assert (shown["type"], shown["version"]) == ("AdaptiveCard", "1.4")
    assert {block["type"] for block in shown["body"]} == {"RichTextBlock"}
    title, *body = [block["inlines"][0] for block in shown["body"]]
    assert title["selectAction"] == {"type": "Action.OpenUrl", "url": "https://shop.test/1"}
    assert [run["text"] for run in body] == [NASTY, "{{DATE(x)}}"]
    assert "entities" not in shown["msteams"]
    assert [each["title"] for each in shown["actions"]] == ["Open"]


async def test_the_largest_card_is_not_too_large(teams: Chat) -> None:
    message = teams.message(title="語" * 900, body="語" * 16_000, image="https://shop.test/i.png")
    assert await teams.send(message) == Accepted()
    assert card(teams)["body"][-1]["type"] == "Image"


async def test_a_link_acknowledges_only_when_its_page_is_answered(teams: Chat) -> None:
    await teams.send(teams.message(acknowledge=True))
    link = urlsplit(card(teams)["actions"][-1]["url"])
    assert link.netloc == "t.example"
    look = Callback("GET", "/v1/callbacks/teams", link.query, {}, b"", AT_MS)
    reading = await teams.provider.read_callback(look)
    assert not reading.receipts
    assert b'<form method="post">' in reading.response.body
    press = replace(look, method="POST", body=b"acknowledge=1")
    reading = await teams.provider.read_callback(press)
    (receipt,) = reading.receipts
    assert (receipt.reference, receipt.state) == (REFERENCE, ReceiptState.ACKNOWLEDGED)
    assert b"Acknowledged" in reading.response.body
    with pytest.raises(Malformed):
        await teams.provider.read_callback(replace(press, body=b"acknowledge=2"))
    other = link.query.replace("3" * 40, "4" * 40)
    for forged in (replace(press, query=other), replace(look, query=other)):
        with pytest.raises(Unauthenticated):
            await teams.provider.read_callback(forged)


async def test_what_is_shown_of_labels_is_escaped() -> None:
    async with playing("teams", acknowledge_label="<b>", acknowledged_label="<i>") as teams:
        press = teams.simulator.callback([REFERENCE], ReceiptState.ACKNOWLEDGED, AT_MS)
        for callback in (press, replace(press, method="GET")):
            page = (await teams.provider.read_callback(callback)).response.body
            assert b"<b>" not in page
            assert b"<i>" not in page


async def test_without_a_secret_there_is_no_link() -> None:
    async with playing("teams", acknowledge_secret=None) as bare:
        await bare.send(bare.message(acknowledge=True))
        assert [each["title"] for each in card(bare)["actions"]] == ["Open"]
        with pytest.raises(Unauthenticated):
            await bare.press()


async def test_a_secret_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(Misconfigured, match="16 characters"):
        async with playing("teams", acknowledge_secret="short"):
            pass


async def test_a_url_that_is_not_whole_is_a_bad_address(teams: Chat) -> None:
    for address, code in (
        ("https://x.test/workflows/1?sig=a", "MissingApiVersionParameter"),
        ("https://x.test/workflows/1?api-version=1", "DirectApiAuthorizationRequired"),
        ("x", "not the URL of a workflow"),
    ):
        outcome = await teams.send(teams.message(address))
        assert outcome == Refused(ProviderReason.BAD_ADDRESS, code)


async def test_a_network_of_ones_own_is_not_called() -> None:
    async with playing("teams", relay_url=None) as teams:
        outcome = await teams.send(teams.message("https://127.0.0.1/workflows/1?sig=a"))
        assert outcome == Refused(ProviderReason.BAD_ADDRESS, "forbidden")


async def test_being_throttled_is_for_one_workflow(teams: Chat) -> None:
    teams.simulator.dial([Dial.THROTTLE])
    assert await teams.send(teams.message()) == TryLater(
        ProviderReason.THROTTLED, after_ms=30_000, detail="TooManyRequests", address_only=True
    )


async def test_a_workflow_that_fails_later_has_taken_the_card_all_the_same(teams: Chat) -> None:
    assert isinstance(teams.simulator, TeamsSimulator)
    for n in (1, 2):
        teams.simulator.failing = {teams.simulator.address(2)}
        message = teams.message(teams.simulator.address(n))
        assert isinstance(await teams.send(message), Accepted)
    failed, posted = teams.simulator.messages()
    assert (failed.content.get("flow"), posted.content.get("flow")) == ("failed", None)
    assert teams.simulator.posted("1") is not None
    assert teams.simulator.posted("2") is None
