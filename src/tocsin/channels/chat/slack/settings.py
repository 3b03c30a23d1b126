"""What ``[providers.slack]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.chat.writing.acknowledging import AcknowledgeSettings
from tocsin.config import Secret
from tocsin.ports.provider import Burst, RatePerSecond

Base = Annotated[str, Meta(pattern="^https?://[^/]+/")]


class SlackSettings(AcknowledgeSettings, frozen=True, kw_only=True):
    """
    A Slack app.

    Slack limits by channel (about one message a second) and says when to come back; it names no
    number for a whole workspace, so the rate here is a guess that stays below what is reported.
    """

    bot_token: Annotated[
        Secret | None,
        Meta(
            description="The app's bot token, `xoxb-…`; without it only incoming webhooks are"
            " called."
        ),
    ] = None
    signing_secret: Annotated[
        Secret | None,
        Meta(description="The app's signing secret; without it there is no button to acknowledge."),
    ] = None
    api_url: Annotated[Base, Meta(description="Where the Web API is; GovSlack has its own.")] = (
        "https://slack.com/api/"
    )
    hooks_url: Annotated[
        Base, Meta(description="Where incoming webhooks are called; GovSlack has its own.")
    ] = "https://hooks.slack.com/"
    channel_rate_per_second: Annotated[
        float,
        Meta(gt=0, le=1_000_000, description="Messages that one channel is given, on average."),
    ] = 1.0
    rate_per_second: RatePerSecond = 5.0
    burst: Burst = 20
