"""What ``[providers.vonage]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.phones import SEGMENTS, PhoneSettings
from tocsin.channels.sms.vonage.signing import Method
from tocsin.config import Secret
from tocsin.ports.provider import RatePerSecond

_HOUR_MS = 3_600_000


class VonageSettings(PhoneSettings, frozen=True, kw_only=True):
    """SMS by Vonage."""

    api_key: Annotated[
        str, Meta(pattern="^[A-Za-z0-9]{4,32}$", description="The account that sends and pays.")
    ]
    api_secret: Annotated[
        Secret | None,
        Meta(description="What we show; without it, requests are signed with `signature_secret`."),
    ] = None
    signature_secret: Annotated[
        Secret | None,
        Meta(
            description="What callbacks are signed with; without it none is believed, and what was"
            " accepted stays *sent*."
        ),
    ] = None
    signature_method: Annotated[
        Method,
        Meta(
            description="How: the account's settings at Vonage say it. `md5hash` is the plain digest"
            " that came first, the others are HMACs."
        ),
    ] = "sha256"
    api_url: Annotated[str, Meta(pattern="^https?://[^/]+$", description="Where the API is.")] = (
        "https://rest.nexmo.com"
    )
    callback_window_ms: Annotated[
        int,
        Meta(
            ge=60_000,
            le=168 * _HOUR_MS,
            description="How old a callback may be: Vonage tries for a day to tell.",
        ),
    ] = 24 * _HOUR_MS
    segments_max: Annotated[int, SEGMENTS] = 10
    rate_per_second: RatePerSecond = 30.0
