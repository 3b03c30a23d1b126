"""What ``[providers.apns]`` may say."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from tocsin.config import Secret
from tocsin.ports.provider import ProviderSettings, RetryBase

PRODUCTION: Final = "https://api.push.apple.com"
DEVELOPMENT: Final = "https://api.sandbox.push.apple.com"

Topic = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.-]{1,200}$")]
TenCharacters = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{10}$")]


class ApnsSettings(ProviderSettings, frozen=True, kw_only=True):
    """
    Apple's service, which we show either a key or a certificate.

    A failure of Apple's own is tried again after a quarter of an hour, as Apple asks.
    """

    topics: Annotated[
        tuple[Topic, ...],
        Meta(
            min_length=1,
            max_length=100,
            description="Bundle ids of the apps that are sent to. The first is for devices that"
            " name no `app`, or one that is not among these.",
        ),
    ]
    environment: Annotated[
        Literal["production", "development"],
        Meta(
            description="Which of Apple's two services: apps that Xcode installs are reached by"
            " `development`, all others by `production`."
        ),
    ] = "production"
    team_id: Annotated[
        TenCharacters | None, Meta(description="The team's id, with a key; ten characters.")
    ] = None
    key_id: Annotated[TenCharacters | None, Meta(description="The key's id; ten characters.")] = (
        None
    )
    private_key: Annotated[
        Secret | None, Meta(description="The key itself: what is in the `.p8` file, PEM.")
    ] = None
    private_key_file: Annotated[str | None, Meta(description="File that holds it instead.")] = None
    certificate_file: Annotated[
        str | None,
        Meta(description="File with a certificate, PEM, that is shown instead of a key."),
    ] = None
    certificate_key_file: Annotated[
        str | None,
        Meta(description="File with the certificate's key, PEM, if it is not in the same one."),
    ] = None
    critical_alerts: Annotated[
        bool,
        Meta(
            description="Whether Apple has entitled the apps to critical alerts, which ring on a"
            " phone that is silent: the lane critical uses them then."
        ),
    ] = False
    url: Annotated[
        Annotated[str, Meta(pattern="^https://[^/]+$")] | None,
        Meta(description="Another place than the environment's, such as one with port 2197."),
    ] = None
    ca_file: Annotated[
        str | None,
        Meta(description="File with the certificates that are trusted, instead of the system's."),
    ] = None
    retry_base_ms: RetryBase = 5_000
