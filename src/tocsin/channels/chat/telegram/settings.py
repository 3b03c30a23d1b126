"""What ``[providers.telegram]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.chat.writing.acknowledging import AcknowledgeSettings
from tocsin.config import Secret
from tocsin.ports.provider import Burst, RatePerSecond


class TelegramSettings(AcknowledgeSettings, frozen=True, kw_only=True):
    """
    A bot of Telegram's.

    Telegram names no exact limits; its support speaks of about 30 messages a second in all, one a
    second to one chat, and 20 a minute to one group.
    """

    bot_token: Annotated[Secret, Meta(description="The bot's token, as BotFather gave it.")]
    secret_token: Annotated[
        Secret | None,
        Meta(
            description="The secret_token with which the bot's webhook was set; without it there"
            " is no button to acknowledge."
        ),
    ] = None
    api_url: Annotated[
        str,
        Meta(pattern="^https?://[^/]+/", description="Where the Bot API is; yours, if you run it."),
    ] = "https://api.telegram.org/"
    chat_rate_per_second: Annotated[
        float,
        Meta(gt=0, le=1_000_000, description="Messages that one chat is given, on average."),
    ] = 1.0
    group_rate_per_minute: Annotated[
        float,
        Meta(
            gt=0,
            le=1_000_000,
            description="Messages that one group or channel is given in a minute, on average.",
        ),
    ] = 20.0
    rate_per_second: RatePerSecond = 25.0
    burst: Burst = 30
