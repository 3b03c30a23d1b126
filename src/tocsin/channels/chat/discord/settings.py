"""What ``[providers.discord]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.chat.writing.acknowledging import AcknowledgeSettings
from tocsin.ports.provider import Burst, RatePerSecond


class DiscordSettings(AcknowledgeSettings, frozen=True, kw_only=True):
    """
    Webhooks of Discord's channels; their addresses are all that calling them needs.

    Discord limits each webhook, says how in every answer, and all calls from one place to 50 a
    second.
    """

    public_key: Annotated[
        Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None,
        Meta(
            description="The public key of the app that owns the webhooks; without it there is no"
            " button to acknowledge."
        ),
    ] = None
    api_url: Annotated[
        str, Meta(pattern="^https?://[^/]+/", description="Where the API is, with its version.")
    ] = "https://discord.com/api/v10/"
    rate_per_second: RatePerSecond = 45.0
    burst: Burst = 45
