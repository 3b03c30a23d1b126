"""Chats of a sandbox: each platform's own button ends a wait, and later messages edit earlier ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sandbox.site import LAYOUTS, Layout, SandboxSite, listening, sandbox
from tests.sandbox.test_clock import deliveries

MESSAGES = "/v1/sandbox/messages"
PLATFORMS = ("slack", "telegram", "discord", "teams", "whatsapp")
PAGE = {
    "key": "page",
    "expires_in": "1d",
    "steps": [
        {
            "channel": "chat",
            "title": "Disk full",
            "body": "{{ data.n }} %",
            "collapse_key": "disk",
            "actions": [{"label": "Runbook", "url": "https://ops.test/{{ data.n }}"}],
        },
        {"wait": {"for": "30m", "unless": "acknowledged"}},
        {"channel": "sms", "name": "second", "body": "Nobody has answered."},
    ],
}


async def paged(site: SandboxSite, n: int = 1) -> str:
    """Page her; return the event."""
    event = await site.trigger("ana", n, "page")
    await site.advance("1s")
    return event


async def ana(site: SandboxSite, platform: str) -> None:
    """Let there be somebody with a chat there."""
    await site.publish(PAGE)
    await site.person("ana")
    where = site.played(platform).address(1)
    for address in (
        {"channel": "chat", "provider": platform, "address": where},
        {"channel": "sms", "address": "+4915112345678"},
    ):
        await site.call("POST", "/v1/recipients/ana/addresses", address, 201)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_the_button_of_each_platform_ends_the_wait(tmp_path: Path, platform: str) -> None:
    async with sandbox(tmp_path / "data") as site, listening(site):
        await ana(site, platform)
        event = await paged(site)
        (message,) = (await site.call("GET", f"{MESSAGES}?channel=chat"))["messages"]
        assert message["provider"] == platform
        assert "1 %" in str(message["content"])
        assert "Runbook" in str(message["content"])
        # What only leads somewhere is no button that one could press.
        assert message["content"]["buttons"] == "Acknowledge"
        await site.call("POST", f"{MESSAGES}/{message['id']}/press", status=204)
        await site.advance("1h")
        found = {each["channel"]: each for each in await deliveries(site, event)}
        assert found["sms"]["reason"] == "not_needed"


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_what_has_no_button_cannot_be_pressed(tmp_path: Path, platform: str) -> None:
    async with sandbox(tmp_path / "data") as site, listening(site):
        await ana(site, platform)
        content = {"title": "Hello", "body": "No answer is awaited."}
        hello = {"recipients": ["ana"], "channels": ["chat"], "content": content}
        await site.call("POST", "/v1/send", hello, 202)
        await site.advance("1s")
        (message,) = (await site.call("GET", f"{MESSAGES}?channel=chat"))["messages"]
        refused = await site.call("POST", f"{MESSAGES}/{message['id']}/press", status=409)
        assert refused["code"] == "action_not_possible"
        assert "no button" in refused["detail"]


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_without_a_press_the_next_step_follows(tmp_path: Path, layout: Layout) -> None:
    async with sandbox(tmp_path / "data", layout) as site:
        await ana(site, "slack")
        event = await paged(site)
        await site.advance("1h")
        found = {each["channel"]: each["state"] for each in await deliveries(site, event)}
        assert found["sms"] == "sent"


@pytest.mark.parametrize("platform", ["slack", "telegram", "discord"])
async def test_a_later_message_edits_the_earlier_one(tmp_path: Path, platform: str) -> None:
    async with sandbox(tmp_path / "data") as site:
        await ana(site, platform)
        for n in (1, 2):
            await paged(site, n)
        later, earlier = (await site.call("GET", f"{MESSAGES}?channel=chat"))["messages"]
        assert earlier["supersedes"] is None
        assert later["supersedes"] is not None
        assert (earlier["replaces"], later["replaces"]) == (None, earlier["reference"])
        assert "2 %" in str(later["content"])
