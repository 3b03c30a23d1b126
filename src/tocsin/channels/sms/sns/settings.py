"""What ``[providers.sns]`` may say."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from tocsin.channels.phones import SEGMENTS, PhoneSettings
from tocsin.config import Secret

_MINUTE_MS = 60_000

Arn = Annotated[str, Meta(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$")]
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
    message_type: Annotated[
        Literal["transactional", "promotional"],
        Meta(description="What is reliable, or what is cheap, as Amazon routes it."),
    ] = "transactional"
    max_price: Annotated[
        Annotated[float, Meta(gt=0, le=100)] | None,
        Meta(description="Most that a message may cost, in US dollars; a dearer one is not sent."),
    ] = None
    configuration_set: Annotated[
        Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None,
        Meta(description="The configuration set that publishes events to a topic (`sms-voice`)."),
    ] = None
    topics: Annotated[
        tuple[Arn, ...],
        Meta(
            description="Topics of SNS whose messages are believed, by ARN: events, and what people"
            " write back. A subscription to one is confirmed by itself."
        ),
    ] = ()
    callback_age_max_ms: Annotated[
        int,
        Meta(
            ge=_MINUTE_MS,
            le=720 * _MINUTE_MS,
            description="How long ago a callback may have been signed; SNS tries for an hour.",
        ),
    ] = 120 * _MINUTE_MS
    url: Annotated[
        Url | None, Meta(description="Where the API is, instead of the region's public address.")
    ] = None
    notices_url: Annotated[
        Url | None,
        Meta(description="A service that plays SNS, for tests: its certificates are believed."),
    ] = None
    segments_max: Annotated[int, SEGMENTS] = 10
    rate_per_second: Annotated[
        Annotated[float, Meta(gt=0, le=1_000_000)] | None,
        Meta(description="Messages that it may be given, on average; without it, no limit."),
    ] = 20.0
