"""What ``[providers.ses]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.email.writing.sender import SenderSettings, ServiceUrl
from tocsin.config import Secret

_MINUTE_MS = 60_000

Rate = Annotated[float, Meta(gt=0, le=1_000_000)]
Arn = Annotated[str, Meta(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$")]


class SesSettings(SenderSettings, frozen=True, kw_only=True):
    """Amazon SES. The account must be out of SES's own sandbox to send to anybody."""

    region: Annotated[
        str,
        Meta(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="The region, such as `eu-central-1`."),
    ]
    access_key_id: Annotated[
        str, Meta(pattern=r"^[A-Z0-9]{16,128}$", description="The id of the key that signs calls.")
    ]
    secret_access_key: Annotated[Secret, Meta(description="The key that belongs to the id.")]
    session_token: Annotated[
        Secret | None, Meta(description="What belongs to keys that are lent for a while.")
    ] = None
    configuration_set: Annotated[
        Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None,
        Meta(
            description="The configuration set that publishes what becomes of letters to a topic."
        ),
    ] = None
    topics: Annotated[
        tuple[Arn, ...],
        Meta(
            description="Topics of SNS whose messages are believed, by ARN; a subscription to one"
            " is confirmed by itself. Without any, callbacks are refused."
        ),
    ] = ()
    url: Annotated[
        ServiceUrl | None,
        Meta(description="Where its API is, instead of the region's public address."),
    ] = None
    notices_url: Annotated[
        ServiceUrl | None,
        Meta(description="A service that plays SNS, for tests: its certificates are believed."),
    ] = None
    callback_age_max_ms: Annotated[
        int,
        Meta(
            ge=_MINUTE_MS,
            le=720 * _MINUTE_MS,
            description="How long ago a callback may have been signed; SNS tries for an hour.",
        ),
    ] = 120 * _MINUTE_MS
    batch_max: Annotated[
        int,
        Meta(
            ge=1,
            le=50,
            description="Most letters in one call, of those that say the same; 1 for none.",
        ),
    ] = 50
    rate_per_second: Annotated[
        Rate | None,
        Meta(
            description="Letters a second; each account has a rate of its own, which SES shows on"
            " its page, and this is what new accounts get."
        ),
    ] = 14.0
