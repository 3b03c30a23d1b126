"""A phone that is pushed to: what wakes its app, and what takes the place of what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.site import SandboxSite, sandbox

MESSAGES = "/v1/sandbox/messages"
PUSH = {
    "key": "sync",
    "steps": [
        {"channel": "push", "title": "", "body": "", "collapse_key": "sync"},
        {"channel": "inbox", "title": "News {{ data.n }}", "body": "Read them"},
        {"channel": "push", "name": "told", "collapse_key": "news"},
    ],
}
WAKING = {
    "apns": "apns-push-type: background",
    "fcm": '"content-available":1',
    "webpush": "urgency: normal",
}


async def pushed(site: SandboxSite, n: int) -> list[dict[str, Any]]:
    """Let something happen; return what was pushed, in order."""
    before = len((await site.call("GET", f"{MESSAGES}?channel=push"))["messages"])
    await site.trigger("ana", n, "sync")
    await site.advance("1s")
    found = (await site.call("GET", f"{MESSAGES}?channel=push"))["messages"]
    return list(reversed(found[: len(found) - before]))


@pytest.mark.parametrize("provider", WAKING)
async def test_a_push_without_words_wakes_the_app_and_a_later_one_replaces_it(
    tmp_path: Path, provider: str
) -> None:
    async with sandbox(tmp_path / "data") as site:
        await site.publish(PUSH)
        await site.person("ana")
        where = site.played(provider).address(1)
        device = {"channel": "push", "provider": provider, "address": where}
        await site.call("POST", "/v1/recipients/ana/addresses", device, 201)
        first = {each["content"].get("title"): each for each in await pushed(site, 1)}
        assert set(first) == {None, "News 1"}
        assert WAKING[provider] in first[None]["raw"]
        assert {each["replaces"] for each in first.values()} == {None}
        second = {each["content"].get("title"): each for each in await pushed(site, 2)}
        assert second[None]["replaces"] == first[None]["reference"]
        assert second["News 2"]["replaces"] == first["News 1"]["reference"]
