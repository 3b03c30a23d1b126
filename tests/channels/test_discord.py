"""Discord, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from discord_webhook import DiscordEmbed, DiscordWebhook
from msgspec.structs import replace

from tests.channels.chat_vendor import AT_MS, NASTY, REFERENCE, Chat, playing
from tests.channels.vendor_bench import bench
from tests.support.vendor_proxy import vendor_proxy
from tocsin.channels.chat.discord.simulator import DiscordSimulator
from tocsin.errors import Unauthenticated
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial, Faults


@pytest.fixture
async def discord() -> AsyncIterator[Chat]:
    async with playing("discord") as found:
        yield found


def call(discord: Chat) -> tuple[str, Any]:
    """Return the first line and the body of the last call."""
    head, _, body = discord.simulator.messages()[0].raw.partition(b"\r\n\r\n")
    return head.decode().split("\r\n")[0], msgspec.json.decode(body)


async def test_data_neither_formats_nor_pings(discord: Chat) -> None:
    await discord.send(discord.message(image="https://shop.test/i.png", acknowledge=True))
    line, said = call(discord)
    hook = "/api/v10/webhooks/100001/canary-1"
    assert line == f"POST {hook}?wait=true&with_components=true HTTP/1.1"
    assert said["allowed_mentions"] == {"parse": []}
    (embed,) = said["embeds"]
    assert (embed["title"], embed["url"]) == ("Disk full", "https://shop.test/1")
    assert embed["image"] == {"url": "https://shop.test/i.png"}
    assert embed["description"] == (
        r"\<!channel\> \@everyone \<\@U1\> \*b\* \_i\_ \~s\~ \`c\` \[x\]\("
        r"https://evil.test\) &amp; \:boom\: \\"
    )
    (row,) = said["components"]
    assert [each["style"] for each in row["components"]] == [5, 1]
    assert row["components"][1]["custom_id"] == f"acknowledge:{REFERENCE}"
    (taken,) = discord.simulator.taken
    assert NASTY in taken.text


async def test_a_link_stays_as_it_is(discord: Chat) -> None:
    await discord.send(discord.message(body="see https://x.test/a_b-c(d), *now*"))
    _, said = call(discord)
    assert said["embeds"][0]["description"] == r"see https://x.test/a_b-c\(d\), \*now\*"


async def test_what_is_too_long_is_cut_and_no_escape_in_two(discord: Chat) -> None:
    assert isinstance(
        await discord.send(discord.message(title="_" * 900, body="*" * 9_000)), Accepted
    )
    _, said = call(discord)
    (embed,) = said["embeds"]
    assert embed["title"] == r"\_" * 127 + "…"
    assert embed["description"] == r"\*" * 2_047 + "…"


async def test_many_buttons_are_in_rows(discord: Chat) -> None:
    message = discord.message(acknowledge=True)
    many = replace(message.content, buttons=[message.content.buttons[-1]] * 40)
    assert isinstance(await discord.send(replace(message, content=many)), Accepted)
    _, said = call(discord)
    assert [len(row["components"]) for row in said["components"]] == [5] * 5


async def test_a_thread_is_named(discord: Chat) -> None:
    await discord.send(discord.message(discord.simulator.address(2) + "?thread_id=77777"))
    line, _ = call(discord)
    assert "thread_id=77777" in line


async def test_a_later_message_takes_the_place_of_an_earlier_one(discord: Chat) -> None:
    first = await discord.id_of(discord.message())
    assert await discord.id_of(discord.message(supersedes=first, body="solved")) == first
    line, _ = call(discord)
    assert line.startswith(f"PATCH /api/v10/webhooks/100001/canary-1/messages/{first}?")
    posted = discord.simulator.posted(first)
    assert posted is not None
    assert posted.said["embeds"][0]["description"] == "solved"
    assert await discord.id_of(discord.message(supersedes="123")) not in {first, "123"}


async def test_how_long_to_wait_has_decimals_and_is_for_one_webhook(discord: Chat) -> None:
    assert isinstance(discord.simulator, DiscordSimulator)
    discord.simulator.dial([Dial.THROTTLE, Dial.THROTTLE])
    slow = TryLater(ProviderReason.THROTTLED, after_ms=1_338, detail="429", address_only=True)
    assert await discord.send(discord.message()) == slow
    discord.simulator.global_limit = True
    everything = TryLater(ProviderReason.THROTTLED, after_ms=1_338, detail="429")
    assert await discord.send(discord.message()) == everything


async def test_a_press_is_a_receipt_and_the_answer_shows_it(discord: Chat) -> None:
    place = await discord.id_of(discord.message(acknowledge=True))
    heard = []

    async def tell(callback: Any) -> Any:
        heard.append(await discord.provider.read_callback(callback))
        return heard[-1].response

    (message,) = discord.simulator.messages()
    await discord.simulator.act(Deed(message.id, Action.PRESS, AT_MS), tell)
    (receipt,) = heard[0].receipts
    assert (receipt.reference, receipt.state) == (REFERENCE, ReceiptState.ACKNOWLEDGED)
    assert "4242" not in repr(receipt)
    posted = discord.simulator.posted(place)
    assert posted is not None
    assert posted.said["content"] == "✓ Acknowledged · <@4242>"
    assert [each["style"] for each in posted.said["components"][0]["components"]] == [5]


async def test_discord_asks_whether_signatures_are_checked(discord: Chat) -> None:
    ping = discord.simulator.signed(b'{"type":1}', AT_MS)
    reading = await discord.provider.read_callback(ping)
    assert msgspec.json.decode(reading.response.body) == {"type": 1}
    other = discord.simulator.signed(b'{"type":3,"data":{"custom_id":"other"}}', AT_MS)
    assert not (await discord.provider.read_callback(other)).receipts


async def test_no_other_url_is_called(discord: Chat) -> None:
    outcome = await discord.send(discord.message("https://evil.test/api/webhooks/1/x"))
    assert outcome == Refused(ProviderReason.BAD_ADDRESS, "not a webhook of Discord's")
    assert not discord.simulator.calls


async def test_without_an_app_there_is_no_button() -> None:
    async with playing("discord", public_key=None) as bare:
        await bare.send(bare.message(acknowledge=True))
        _, said = call(bare)
        assert [each["style"] for each in said["components"][0]["components"]] == [5]
        with pytest.raises(Unauthenticated):
            await bare.press()


async def test_another_client_takes_the_simulator_for_discord(
    discord: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = discord.simulator.address(7)
    embed = DiscordEmbed("Disk full", "on *db-3*", url="https://shop.test/1", color="ff0000")
    hook = DiscordWebhook(url, content="hello", embeds=[embed], thread_id="77777")
    async with vendor_proxy(tmp_path, {"discord.com": discord.simulator.port}) as proxy:
        proxy.lead(monkeypatch)
        said = await asyncio.to_thread(hook.execute)
        assert said.json()["embeds"][0]["color"] == 0xFF0000
        hook.set_content("bye")
        hook.thread_id = None
        changed = await asyncio.to_thread(hook.edit)
        assert (changed.status_code, changed.json()["id"]) == (200, hook.id)
        discord.simulator.dial([Dial.THROTTLE, Dial.DEAD_ADDRESS])
        slow = await asyncio.to_thread(hook.execute)
        assert (slow.status_code, slow.json()["retry_after"]) == (429, 1.337)
        gone = await asyncio.to_thread(hook.execute)
        assert (gone.status_code, gone.json()["code"]) == (404, 10015)
        long = await asyncio.to_thread(DiscordWebhook(url, content="x" * 2_001).execute)
        assert (long.status_code, long.json()["code"]) == (400, 50035)
        assert set(proxy.asked) == {"discord.com:443"}
    first, edited = discord.simulator.taken
    assert (first.address, first.fields["text"]) == (f"{url}?thread_id=77777", "on *db-3*")
    assert (edited.address, edited.supersedes) == (url, hook.id)


async def test_what_ours_says_is_what_another_client_says_of_the_same(
    discord: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await discord.send(discord.message())
    _, ours = call(discord)
    (embed,) = ours["embeds"]
    theirs = DiscordEmbed(embed["title"], embed["description"], url=embed["url"])
    hook = DiscordWebhook(
        discord.simulator.address(1), embeds=[theirs], allowed_mentions={"parse": []}
    )
    async with vendor_proxy(tmp_path, {"discord.com": discord.simulator.port}) as proxy:
        proxy.lead(monkeypatch)
        await asyncio.to_thread(hook.execute)
    _, said = call(discord)
    shared = {name: value for name, value in said["embeds"][0].items() if value}
    assert shared == {name: embed[name] for name in shared}
    assert said["allowed_mentions"] == ours["allowed_mentions"]


async def test_who_calls_wrongly_too_often_is_turned_away_for_a_while(discord: Chat) -> None:
    assert isinstance(discord.simulator, DiscordSimulator)
    discord.simulator.wrong_max = 2
    discord.simulator.dial([Dial.REFUSE, Dial.THROTTLE])
    for _ in range(2):
        assert not isinstance(await discord.send(discord.message()), Accepted)
    banned = TryLater(ProviderReason.THROTTLED, after_ms=600_000, detail="banned")
    assert await discord.send(discord.message()) == banned
    assert len(discord.simulator.calls) == 2


async def test_a_429_names_the_bucket_that_is_empty(
    discord: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(discord.simulator, DiscordSimulator)
    hook = DiscordWebhook(discord.simulator.address(1), content="hello")
    async with vendor_proxy(tmp_path, {"discord.com": discord.simulator.port}) as proxy:
        proxy.lead(monkeypatch)
        taken = await asyncio.to_thread(hook.execute)
        discord.simulator.dial([Dial.THROTTLE, Dial.THROTTLE])
        slow = await asyncio.to_thread(hook.execute)
        discord.simulator.global_limit = True
        all_of_us = await asyncio.to_thread(hook.execute)
    bucket = "X-RateLimit-Bucket"
    assert slow.headers[bucket] == taken.headers[bucket]
    assert limits(slow.headers) == {
        "limit": "5",
        "remaining": "0",
        "reset": "1.337",
        "reset-after": "1.337",
        "scope": "user",
        "bucket": slow.headers[bucket],
    }
    assert slow.headers["Retry-After"] == "2"
    assert limits(all_of_us.headers) == {"global": "true", "scope": "global"}


def limits(headers: Mapping[str, str]) -> dict[str, str]:
    """What is said of how much goes through, by the last part of its name."""
    said = {name.lower(): value for name, value in headers.items()}
    start = "x-ratelimit-"
    return {name.removeprefix(start): each for name, each in said.items() if name.startswith(start)}


async def test_what_others_have_used_up_is_counted_against_nobody() -> None:
    async with bench("discord", fraction=lambda: 0.0) as one:
        one.simulator.wrong_max = 1
        await one.simulator.set_faults(Faults(errors={"429 shared": 1.0}))
        slow = TryLater(ProviderReason.THROTTLED, after_ms=1_338, detail="429", address_only=True)
        for n in (1, 2):
            assert await one.provider.send([one.message(n)]) == [slow]
        await one.simulator.set_faults(Faults())
        assert isinstance((await one.provider.send([one.message(3)]))[0], Accepted)
