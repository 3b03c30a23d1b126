"""What ``[providers.teams]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.chat.writing.acknowledging import AcknowledgeSettings
from tocsin.config import Secret
from tocsin.ports.provider import Burst, RatePerSecond


class TeamsSettings(AcknowledgeSettings, frozen=True, kw_only=True):
    """
    Workflows that take a Teams webhook request; their URLs are all that calling them needs.

    Power Platform limits by the plan of whoever owns a workflow, and says when it is too much.
    """

    acknowledge_secret: Annotated[
        Secret | None,
        Meta(
            description="Signs the links that acknowledge, at least 16 characters of your own;"
            " without it there are none."
        ),
    ] = None
    relay_url: Annotated[
        Annotated[str, Meta(pattern="^https?://[^/]+/")] | None,
        Meta(
            description="Send everything here instead, with the address in the header"
            " `webhook-destination`: a gateway of yours that passes it on."
        ),
    ] = None
    rate_per_second: RatePerSecond = 20.0
    burst: Burst = 40
