"""What ``[providers.sns]`` may say."""

from __future__ import annotations

from typing import Annotated, Literal

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
from tocsin.channels.phones import SEGMENTS, PhoneSettings
from tocsin.ports.provider import RatePerSecond

Url = Annotated[str, Meta(pattern="^https?://[^/]+$")]


class SnsSettings(PhoneSettings, frozen=True, kw_only=True):
    """SMS by Amazon. Without a sender, Amazon takes one that the account has for the country."""

    api: Annotated[
        Literal["sns", "sms-voice"],
        Meta(
            description="`sns` publishes to the number and hears nothing of it again; `sms-voice` is"
            " AWS End User Messaging SMS (version 2), which reports to a topic."
        ),
    ] = "sns"
    region: Region
    access_key_id: AccessKeyId
    secret_access_key: SecretAccessKey
    session_token: SessionToken = None
    message_type: Annotated[
        Literal["transactional", "promotional"],
        Meta(description="What is reliable, or what is cheap, as Amazon routes it."),
    ] = "transactional"
    max_price: Annotated[
        Annotated[float, Meta(gt=0, le=100)] | None,
        Meta(description="Most that a message may cost, in US dollars; a dearer one is not sent."),
    ] = None
    configuration_set: Annotated[
        ConfigurationSet | None,
        Meta(description="The configuration set that publishes events to a topic (`sms-voice`)."),
    ] = None
    topics: Annotated[
        tuple[Topic, ...],
        Meta(
            description="Topics of SNS whose messages are believed, by ARN: events, and what people"
            " write back. A subscription to one is confirmed by itself."
        ),
    ] = ()
    callback_age_max_ms: CallbackAge = CALLBACK_AGE_MAX_MS
    url: Annotated[
        Url | None, Meta(description="Where the API is, instead of the region's public address.")
    ] = None
    notices_url: Annotated[
        Url | None,
        Meta(description="A service that plays SNS, for tests: its certificates are believed."),
    ] = None
    segments_max: Annotated[int, SEGMENTS] = 10
    rate_per_second: RatePerSecond = 20.0
