"""What ``[providers.webpush]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.config import Secret
from tocsin.ports.provider import ProviderSettings, RetryBase

_SECOND_MS = 1_000
_DAY_MS = 86_400_000


class WebPushSettings(ProviderSettings, frozen=True, kw_only=True):
    """Browsers that subscribed with the public half of our key."""

    private_key: Annotated[
        Secret | None,
        Meta(
            description="Our key (VAPID): PEM, or 32 bytes in base64url. With another one, every"
            " browser has to subscribe anew."
        ),
    ] = None
    private_key_file: Annotated[str | None, Meta(description="File that holds it instead.")] = None
    subject: Annotated[
        str,
        Meta(
            pattern=r"^(mailto:[^@\s]+@[^@\s]+\.[^@\s]+|https://[^\s]+)$",
            max_length=200,
            description="Where the operators of push services reach us: `mailto:` and an address,"
            " or a URL that begins with `https://`. Apple refuses one that cannot be real.",
        ),
    ]
    ttl_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=28 * _DAY_MS,
            description="How long a push service keeps a message for a browser that is not"
            " there, at most; one that expires is kept no longer than that.",
        ),
    ] = 28 * _DAY_MS
    payload_bytes_max: Annotated[
        int,
        Meta(
            ge=500,
            le=3_993,
            description="Bytes of a message before it is encrypted. 3,993 fit into what every push"
            " service has to take; some of what Firefox uses on Android takes about 2,700.",
        ),
    ] = 2_600
    relay_url: Annotated[
        Annotated[str, Meta(pattern="^https?://[^/]+/")] | None,
        Meta(
            description="Send everything here instead, with the subscription's URL in the header"
            " `push-endpoint`: a gateway of yours that passes it on."
        ),
    ] = None
    ca_file: Annotated[
        str | None,
        Meta(description="File with the certificates that are trusted, instead of the system's."),
    ] = None
    retry_base_ms: RetryBase = 5 * _SECOND_MS
