"""What ``[providers.discord]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.chat.writing.acknowledging import AcknowledgeSettings


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
    rate_per_second: Annotated[
        Annotated[float, Meta(gt=0, le=1_000_000)] | None,
        Meta(description="Messages that it may be given, on average; without it, no limit."),
    ] = 45.0
    burst: Annotated[
        Annotated[int, Meta(ge=1, le=10_000_000)] | None,
        Meta(description="Messages that it may be given at one moment; by default those of 1 s."),
    ] = 45
