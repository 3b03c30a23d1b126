"""What ``[providers.resend]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.email.writing.sender import SenderSettings, ServiceUrl
from tocsin.config import Secret

_MINUTE_MS = 60_000


class ResendSettings(SenderSettings, frozen=True, kw_only=True):
    """Resend's API."""

    key: Annotated[Secret, Meta(description="The key of its API, which may send.")]
    url: Annotated[ServiceUrl, Meta(description="Where its API is.")] = "https://api.resend.com"
    webhook_secret: Annotated[
        Secret | None,
        Meta(
            description="The secret with which its webhooks are signed (`whsec_…`), as its page for"
            " the webhook shows it; while it is changed, the new one, a space and the old one."
            " Without one, callbacks are refused."
        ),
    ] = None
    callback_age_max_ms: Annotated[
        int,
        Meta(
            ge=_MINUTE_MS,
            le=60 * _MINUTE_MS,
            description="How long ago a callback may have been signed; each try is signed anew.",
        ),
    ] = 5 * _MINUTE_MS
    rate_per_second: Annotated[
        Annotated[float, Meta(gt=0, le=1_000_000)] | None,
        Meta(
            description="Letters that it may be given, on average; by default the calls that Resend"
            " takes of a team that has not asked for more."
        ),
    ] = 5.0
