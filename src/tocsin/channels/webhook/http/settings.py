"""What ``[providers.webhook]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.config import Secret
from tocsin.ports.provider import ProviderSettings


class WebhookSettings(ProviderSettings, frozen=True, kw_only=True):
    """Webhooks to the URLs that recipients have as addresses."""

    secret: Annotated[
        Secret | None,
        Meta(
            description="Signs messages to addresses that have no secret of their own: `whsec_` and"
            " base64, and while it is changed the new one, a space and the old one."
        ),
    ] = None
    relay_url: Annotated[
        Annotated[str, Meta(pattern="^https?://[^/]+/")] | None,
        Meta(
            description="Send everything here instead, with the address in the header"
            " `webhook-destination`: a gateway of yours that passes it on."
        ),
    ] = None
