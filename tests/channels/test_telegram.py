"""Telegram, on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import telegram as theirs
from telegram.constants import ChatMemberStatus
from telegram.error import BadRequest, Forbidden, InvalidToken, RetryAfter

from tests.channels.chat_vendor import AT_MS, NASTY, REFERENCE, Chat, playing
from tocsin.channels.chat.telegram.simulator import SECRET_TOKEN, TOKEN, TelegramSimulator
from tocsin.channels.chat.telegram.writing import quiet
from tocsin.errors import Unauthenticated
from tocsin.ports.outcomes import Accepted, ProviderReason, Refused, TryLater
from tocsin.ports.receipts import ChannelWish, ReceiptState
from tocsin.ports.simulator import Action, Deed, Dial, Faults


@pytest.fixture
async def telegram() -> AsyncIterator[Chat]:
    async with playing("telegram") as found:
        yield found


def bot_of(telegram: Chat) -> TelegramSimulator:
    assert isinstance(telegram.simulator, TelegramSimulator)
    return telegram.simulator


def sent(telegram: Chat) -> Any:
    """Return the parameters of the last call."""
    return msgspec.json.decode(telegram.simulator.messages()[0].raw.partition(b"\r\n\r\n")[2])


async def test_texts_are_plain_and_entities_lie_beside_them(telegram: Chat) -> None:
    await telegram.send(
        telegram.message(title="🚨 Disk", image="https://shop.test/i.png", acknowledge=True)
    )
    said = sent(telegram)
    assert "parse_mode" not in said
    assert said["text"] == "🚨 Disk\n" + NASTY.replace("@everyone", "@\u2060everyone").replace(
        "@U1", "@\u2060U1"
    )
    assert said["entities"] == [
        {"type": "bold", "offset": 0, "length": 7},
        {"type": "text_link", "offset": 0, "length": 7, "url": "https://shop.test/1"},
    ]
    assert said["link_preview_options"]["url"] == "https://shop.test/i.png"
    (link,), (own,) = said["reply_markup"]["inline_keyboard"]
    assert link == {"text": "Open", "url": "https://shop.test/open"}
    assert own == {"text": "Acknowledge", "callback_data": REFERENCE}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@admin help", "@\u2060admin help"),
        ("mail ana@shop.test", "mail ana@shop.test"),
        ("see https://x.test/@ana now (@bo)", "see https://x.test/@ana now (@\u2060bo)"),
        ("a @ b", "a @ b"),
    ],
)
def test_nobody_is_mentioned(text: str, shown: str) -> None:
    assert quiet(text) == shown


async def test_what_is_too_long_is_cut(telegram: Chat) -> None:
    assert isinstance(await telegram.send(telegram.message(body="👍🏽" * 4_000)), Accepted)
    text = sent(telegram)["text"]
    assert 4_090 <= len(text.encode("utf-16-le")) // 2 <= 4_096
    assert text.endswith("👍🏽…")


async def test_a_later_message_takes_the_place_of_an_earlier_one(telegram: Chat) -> None:
    first = await telegram.id_of(telegram.message())
    edit = telegram.message(supersedes=first, body="solved")
    assert await telegram.id_of(edit) == first
    # Once more, as after a lost answer: Telegram says that nothing has changed.
    assert await telegram.id_of(edit) == first
    posted = telegram.simulator.posted(first)
    assert posted is not None
    assert posted.said["text"] == "Disk full\nsolved"


async def test_what_is_gone_is_sent_anew(telegram: Chat) -> None:
    assert await telegram.id_of(telegram.message(supersedes="77")) != "77"
    assert len(telegram.simulator.calls) == 2


async def test_a_group_that_has_moved_is_followed(telegram: Chat) -> None:
    bot_of(telegram).moved[-42] = -100_42
    assert await telegram.id_of(telegram.message("-42")) == "1"
    assert [each.address for each in telegram.simulator.taken] == ["-10042"]


async def test_too_much_is_for_the_chat_and_says_how_long(telegram: Chat) -> None:
    telegram.simulator.dial([Dial.THROTTLE])
    assert await telegram.send(telegram.message()) == TryLater(
        ProviderReason.THROTTLED,
        after_ms=30_000,
        detail="Too Many Requests",
        address_only=True,
    )


async def test_an_error_with_more_words_is_known_by_how_it_begins(telegram: Chat) -> None:
    code = "Bad Request: not enough rights to send"
    await telegram.simulator.set_faults(Faults(errors={code: 1.0}))
    async with playing("telegram", bot_token="1:other") as other:
        outcome = await other.send(other.message())
    assert outcome == Refused(ProviderReason.OUR_FAULT, "Unauthorized")


async def test_a_press_is_a_receipt_and_is_shown(telegram: Chat) -> None:
    place = await telegram.id_of(telegram.message(acknowledge=True))
    callback = telegram.simulator.callback([REFERENCE], ReceiptState.ACKNOWLEDGED, AT_MS)
    reading = await telegram.provider.read_callback(callback)
    answer = msgspec.json.decode(reading.response.body)
    assert (answer["method"], answer["text"]) == ("answerCallbackQuery", "Acknowledged")
    assert "Canary" not in repr(reading.receipts)
    await telegram.press()
    posted = telegram.simulator.posted(place)
    assert posted is not None
    assert posted.said["text"].endswith("\n\n✓ Acknowledged · Canary")
    assert [each["type"] for each in posted.said["entities"]] == ["bold", "text_link"]
    (row,) = posted.said["reply_markup"]["inline_keyboard"]
    assert row[0]["text"] == "Open"


async def test_where_there_is_no_room_only_the_button_goes(telegram: Chat) -> None:
    place = await telegram.id_of(telegram.message(body="x" * 9_000, acknowledge=True))
    await telegram.press()
    posted = telegram.simulator.posted(place)
    assert posted is not None
    assert "Acknowledged" not in posted.said["text"]
    assert len(posted.said["reply_markup"]["inline_keyboard"]) == 1


async def test_who_blocks_the_bot_or_says_stop_wants_no_more(telegram: Chat) -> None:
    bot = bot_of(telegram)
    for callback, wish in (
        (bot.blocked("7", AT_MS), ChannelWish("7", False, AT_MS, "kicked")),
        (bot.blocked("7", AT_MS, status="member"), ChannelWish("7", True, AT_MS, "member")),
        (bot.written("7", " /stop ", AT_MS), ChannelWish("7", False, AT_MS, "/stop")),
        (bot.written("7", "/start", AT_MS), ChannelWish("7", True, AT_MS, "/start")),
    ):
        assert (await telegram.provider.read_callback(callback)).wishes == [wish]
    for callback in (bot.written("7", "hello", AT_MS), bot.blocked("7", AT_MS, status="left")):
        assert not (await telegram.provider.read_callback(callback)).wishes


async def test_somebody_in_the_sandbox_can_write_to_the_bot(telegram: Chat) -> None:
    await telegram.send(telegram.message("7"))
    heard = []

    async def tell(callback: Any) -> Any:
        heard.append(await telegram.provider.read_callback(callback))
        return heard[-1].response

    (message,) = telegram.simulator.messages()
    await telegram.simulator.act(Deed(message.id, Action.REPLY, AT_MS, "/stop"), tell)
    assert [wish.address for wish in heard[0].wishes] == ["7"]


async def test_without_a_secret_token_there_is_no_button() -> None:
    async with playing("telegram", secret_token=None) as bare:
        await bare.send(bare.message(acknowledge=True))
        assert len(sent(bare)["reply_markup"]["inline_keyboard"]) == 1
        with pytest.raises(Unauthenticated):
            await bare.press()


def client(telegram: Chat, token: str = TOKEN) -> theirs.Bot:
    return theirs.Bot(token, base_url=f"{telegram.settings['api_url']}bot")


async def test_another_client_takes_the_simulator_for_telegram(
    telegram: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its next version has no other way to say how long to wait.
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    bold = theirs.MessageEntity("bold", 0, 5)
    button = theirs.InlineKeyboardButton("Acknowledge", callback_data="dlv_1")
    keyboard = theirs.InlineKeyboardMarkup([[button]])
    async with client(telegram) as bot:
        assert bot.username == "canary_bot"
        said = await bot.send_message("@canary_7", "hello", entities=[bold], reply_markup=keyboard)
        assert said.parse_entities() == {bold: "hello"}
        assert said.reply_markup == keyboard
        edited = await bot.edit_message_text("bye", said.chat_id, said.message_id)
        assert (edited.message_id, edited.text) == (said.message_id, "bye")
        bare = await bot.edit_message_reply_markup(said.chat_id, said.message_id)
        assert bare.reply_markup is None
        with pytest.raises(BadRequest, match="Message to edit not found"):
            await bot.edit_message_text("bye", said.chat_id, 404)
        with pytest.raises(BadRequest, match="Message text is empty"):
            await bot.send_message("@canary_7", " ")
        telegram.simulator.dial([Dial.DEAD_ADDRESS, Dial.THROTTLE])
        with pytest.raises(Forbidden, match="blocked by the user"):
            await bot.send_message("@canary_7", "hello")
        with pytest.raises(RetryAfter) as slow:
            await bot.send_message("@canary_7", "hello")
        assert slow.value.retry_after == timedelta(seconds=30)
        bot_of(telegram).moved[-42] = -100_42
        with pytest.raises(theirs.error.ChatMigrated) as moved:
            await bot.send_message(-42, "hello")
        assert moved.value.new_chat_id == -100_42
    with pytest.raises(InvalidToken):
        async with client(telegram, "1:other"):
            pass


async def test_another_client_reads_our_texts_and_the_simulators_updates(telegram: Chat) -> None:
    place = await telegram.id_of(telegram.message(title="🚨 Disk", acknowledge=True))
    bot = bot_of(telegram)
    pressed = bot.callback([REFERENCE], ReceiptState.ACKNOWLEDGED, AT_MS)
    update = theirs.Update.de_json(msgspec.json.decode(pressed.body), None)
    assert update.callback_query.data == REFERENCE
    shown = update.callback_query.message
    assert shown.message_id == int(place)
    # Offsets count units of UTF-16, which a siren has two of.
    assert set(shown.parse_entities().values()) == {"🚨 Disk"}
    assert shown.reply_markup.inline_keyboard[-1][0].callback_data == REFERENCE
    for callback, status in (
        (bot.blocked("7", AT_MS), ChatMemberStatus.BANNED),
        (bot.blocked("7", AT_MS, status="member"), ChatMemberStatus.MEMBER),
    ):
        change = theirs.Update.de_json(msgspec.json.decode(callback.body), None).my_chat_member
        assert (change.chat.id, change.new_chat_member.status) == (7, status)
        assert change.old_chat_member.status != status
    written = bot.written("7", "/stop", AT_MS)
    message = theirs.Update.de_json(msgspec.json.decode(written.body), None).message
    assert (message.from_user.id, message.text) == (7, "/stop")
    assert int(message.date.timestamp()) == AT_MS // 1_000
    assert written.headers["x-telegram-bot-api-secret-token"] == SECRET_TOKEN
