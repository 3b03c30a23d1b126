"""A phone that rings: a key ends a wait, and who is busy is called again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.site import LAYOUTS, Layout, SandboxSite, listening, sandbox
from tests.sandbox.test_clock import deliveries, notifications

MESSAGES = "/v1/sandbox/messages"
PAGE = {
    "key": "page",
    "lane": "critical",
    "expires_in": "1d",
    "steps": [
        {"channel": "voice", "name": "first", "body": "Disk {{ data.n }} is full."},
        {"wait": {"for": "30m", "unless": "acknowledged"}},
        {"channel": "sms", "name": "second", "body": "Nobody has answered."},
    ],
}


async def called(site: SandboxSite) -> str:
    """Call somebody; return the event."""
    await site.call("PUT", "/v1/workflows/page", PAGE)
    published = await site.call("POST", "/v1/workflows/page/publish")
    assert not [each for each in published["warnings"] if "the wait" in each]
    await site.person("ana", locale="de-DE")
    for channel in ("voice", "sms"):
        address = {"channel": channel, "address": "+4915112345678"}
        await site.call("POST", "/v1/recipients/ana/addresses", address, 201)
    event = await site.trigger("ana", 1, "page")
    await site.advance("1s")
    return event


async def calls(site: SandboxSite) -> list[dict[str, Any]]:
    """Return the calls that were made, newest first."""
    found = (await site.call("GET", f"{MESSAGES}?channel=voice"))["messages"]
    assert isinstance(found, list)
    return found


async def does(site: SandboxSite, action: str, words: str = "", status: int = 204) -> Any:
    """Do something with the newest call."""
    newest = (await calls(site))[0]
    path = f"{MESSAGES}/{newest['id']}/{action}"
    return await site.call("POST", path, {"words": words}, status)


async def states(site: SandboxSite, event: str) -> dict[str, tuple[str, str]]:
    """Return state and reason of each step."""
    found = await deliveries(site, event)
    return {each["channel"]: (each["state"], each["reason"]) for each in found}


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_key_ends_the_wait(tmp_path: Path, layout: Layout) -> None:
    async with sandbox(tmp_path / "data", layout) as site, listening(site):
        event = await called(site)
        (call,) = await calls(site)
        assert call["content"]["language"] == "de-DE"
        assert call["content"]["asks_for_key"] == "yes"
        assert (await states(site, event))["voice"] == ("deferred", "ringing")
        heard = await does(site, "press", "1", 200)
        assert heard == {"answer": "Danke. Es ist bestätigt."}
        await site.advance("1h")
        found = await states(site, event)
        assert found["voice"][0] == "delivered"
        assert found["sms"] == ("suppressed", "not_needed")
        assert len(await calls(site)) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_who_is_busy_is_called_again_and_may_answer_then(
    tmp_path: Path, layout: Layout
) -> None:
    async with sandbox(tmp_path / "data", layout) as site, listening(site):
        event = await called(site)
        await does(site, "decline")
        assert (await states(site, event))["voice"] == ("deferred", "ringing")
        await site.advance("3m")
        assert len(await calls(site)) == 2
        await does(site, "press", "1", 200)
        await site.advance("2h")
        found = await states(site, event)
        assert found["voice"][0] == "delivered"
        assert found["sms"] == ("suppressed", "not_needed")
        assert len(await calls(site)) == 2
        (one,) = await notifications(site, event)
        (told,) = [trail for trail in one["attempts"].values() if trail]
        busy = [each for each in told if each.get("detail") == "busy"]
        assert len(busy) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_who_never_answers_has_failed_after_the_last_call(
    tmp_path: Path, layout: Layout
) -> None:
    async with sandbox(tmp_path / "data", layout) as site, listening(site):
        event = await called(site)
        for n in range(1, 4):
            await does(site, "bounce", "no-answer")
            await site.advance("1s")
            assert (await states(site, event))["voice"] == ("deferred", "ringing")
            while len(await calls(site)) == n:
                await site.advance("20s")
        assert (await states(site, event))["voice"] == ("sent", "accepted")
        await does(site, "bounce", "no-answer")
        await site.advance("1s")
        assert (await states(site, event))["voice"] == ("failed", "unanswered")
        assert len(await calls(site)) == 4
        await site.advance("1h")
        assert (await states(site, event))["sms"] == ("sent", "accepted")


async def test_an_answer_that_comes_late_still_counts(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site, listening(site):
        event = await called(site)
        first = (await calls(site))[0]
        await site.advance("3m")
        assert len(await calls(site)) == 2, "nothing was heard of the first"
        await site.call("POST", f"{MESSAGES}/{first['id']}/bounce", {"words": "busy"}, 204)
        await site.advance("1s")
        assert (await states(site, event))["voice"] == ("deferred", "ringing")
        await site.call("POST", f"{MESSAGES}/{first['id']}/press", {"words": "1"}, 200)
        await site.advance("2h")
        assert (await states(site, event))["voice"][0] == "delivered"
        assert len(await calls(site)) == 2
