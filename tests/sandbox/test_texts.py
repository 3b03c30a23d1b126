"""A phone that gets texts: what it shows, and what STOP and START do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.site import LAYOUTS, Layout, SandboxSite, listening, sandbox
from tests.sandbox.test_clock import deliveries

MESSAGES = "/v1/sandbox/messages"
TEXT = {"key": "text", "steps": [{"channel": "sms", "body": "Order {{ data.n }} — sent."}]}


async def texted(site: SandboxSite, n: int) -> str:
    """Text ana; return the event."""
    event = await site.trigger("ana", n, "text")
    await site.advance("1s")
    return event


async def newest(site: SandboxSite) -> dict[str, Any]:
    found = (await site.call("GET", f"{MESSAGES}?channel=sms"))["messages"][0]
    assert isinstance(found, dict)
    return found


async def replies(site: SandboxSite, words: str) -> None:
    """Answer the newest text."""
    path = f"{MESSAGES}/{(await newest(site))['id']}/reply"
    answer = await site.call("POST", path, {"words": words})
    assert answer["answer"]
    await site.advance("1s")


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_stop_ends_texts_and_start_lifts_that(tmp_path: Path, layout: Layout) -> None:
    async with sandbox(tmp_path / "data", layout) as site, listening(site):
        await site.publish(TEXT)
        await site.person("ana")
        address = {"channel": "sms", "address": "+4915112345678"}
        await site.call("POST", "/v1/recipients/ana/addresses", address, 201)
        event = await texted(site, 1)
        shown = await newest(site)
        assert shown["content"] == {
            "from": "+15005550006",
            "text": "Order 1 — sent.",
            "encoding": "UCS-2",
            "segments": "1",
        }
        await site.call("POST", f"{MESSAGES}/{shown['id']}/deliver", {}, 204)
        await site.advance("1s")
        assert [each["state"] for each in await deliveries(site, event)] == ["delivered"]
        await replies(site, "STOP")
        event = await texted(site, 2)
        assert [each["state"] for each in await deliveries(site, event)] == ["suppressed"]
        await replies(site, "start")
        event = await texted(site, 3)
        assert [each["state"] for each in await deliveries(site, event)] == ["sent"]
        assert (await newest(site))["content"]["text"] == "Order 3 — sent."
