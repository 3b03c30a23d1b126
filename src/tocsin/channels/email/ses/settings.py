"""What ``[providers.ses]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.aws_settings import (
    CALLBACK_AGE_MAX_MS,
    AccessKeyId,
    CallbackAge,
    ConfigurationSet,
    Region,
    SecretAccessKey,
    SessionToken,
    Topic,
)
from tocsin.channels.email.writing.sender import SenderSettings, ServiceUrl

Rate = Annotated[float, Meta(gt=0, le=1_000_000)]


class SesSettings(SenderSettings, frozen=True, kw_only=True):
    """Amazon SES. The account must be out of SES's own sandbox to send to anybody."""

    region: Region
    access_key_id: AccessKeyId
    secret_access_key: SecretAccessKey
    session_token: SessionToken = None
    configuration_set: Annotated[
        ConfigurationSet | None,
        Meta(
            description="The configuration set that publishes what becomes of letters to a topic."
        ),
    ] = None
    topics: Annotated[
        tuple[Topic, ...],
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
    callback_age_max_ms: CallbackAge = CALLBACK_AGE_MAX_MS
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
