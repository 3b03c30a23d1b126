"""What ``[providers.mailgun]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.email.writing.sender import SenderSettings, ServiceUrl
from tocsin.config import Secret

_MINUTE_MS = 60_000


class MailgunSettings(SenderSettings, frozen=True, kw_only=True):
    """Mailgun's API. It names no rate, and says when to come back where one is too high."""

    domain: Annotated[
        str,
        Meta(pattern=r"^[A-Za-z0-9.-]{3,190}$", description="The domain that is set up there."),
    ]
    key: Annotated[Secret, Meta(description="A key that may send for the domain.")]
    url: Annotated[
        ServiceUrl,
        Meta(description="Where its API is; `https://api.eu.mailgun.net` for the one in the EU."),
    ] = "https://api.mailgun.net"
    webhook_key: Annotated[
        Secret | None,
        Meta(
            description="The key with which its webhooks are signed (HTTP webhook signing key);"
            " without one, callbacks are refused."
        ),
    ] = None
    callback_age_max_ms: Annotated[
        int,
        Meta(
            ge=_MINUTE_MS,
            le=720 * _MINUTE_MS,
            description="How long ago a callback may have been signed; Mailgun tries for 8 hours.",
        ),
    ] = 540 * _MINUTE_MS
    batch_max: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000,
            description="Most letters in one call, of those that say the same; 1 for none.",
        ),
    ] = 100
