"""What ``[providers.sendgrid]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.email.writing.sender import SenderSettings, ServiceUrl
from tocsin.config import Secret

_MINUTE_MS = 60_000


class SendGridSettings(SenderSettings, frozen=True, kw_only=True):
    """
    SendGrid's API.

    How much it takes is in its answers: where one says that a quota is used up, nothing more is
    sent before that begins anew.
    """

    key: Annotated[Secret, Meta(description="The key of its API, which may send mail.")]
    url: Annotated[
        ServiceUrl,
        Meta(description="Where its API is; `https://api.eu.sendgrid.com` for the one in the EU."),
    ] = "https://api.sendgrid.com"
    webhook_key: Annotated[
        str | None,
        Meta(
            description="The public key with which its event webhook is verified, as its page for"
            " the signed event webhook shows it; without one, callbacks are refused.",
        ),
    ] = None
    callback_age_max_ms: Annotated[
        int,
        Meta(
            ge=_MINUTE_MS,
            le=2_880 * _MINUTE_MS,
            description="How long ago a callback may have been signed; SendGrid tries for 24 hours.",
        ),
    ] = 1_500 * _MINUTE_MS
    batch_max: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000,
            description="Most letters in one call, of those that say the same; 1 for none.",
        ),
    ] = 100
