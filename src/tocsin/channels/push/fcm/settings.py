"""What ``[providers.fcm]`` may say."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from tocsin.config import Secret
from tocsin.ports.provider import ProviderSettings, RatePerSecond, RetryBase

URL: Final = "https://fcm.googleapis.com"
_MINUTE_MS = 60_000
_DAY_MS = 1_440 * _MINUTE_MS


class FcmSettings(ProviderSettings, frozen=True, kw_only=True):
    """
    A Firebase project, by a service account of it.

    Google asks for patience: 10 s before the first repeat, and at most 600,000 messages a minute.
    """

    service_account: Annotated[
        Secret | None,
        Meta(description="What is in the service account's key file, JSON, whole."),
    ] = None
    service_account_file: Annotated[str | None, Meta(description="File that holds it instead.")] = (
        None
    )
    project_id: Annotated[
        Annotated[str, Meta(pattern=r"^[a-z0-9:.-]{1,100}$")] | None,
        Meta(description="The project, if it is not the service account's own."),
    ] = None
    target: Annotated[
        Literal["token", "fid"],
        Meta(
            description="What devices are registered by: registration tokens, or installation ids"
            " (`fid`)."
        ),
    ] = "token"
    platforms: Annotated[
        tuple[Literal["android", "apns", "webpush"], ...],
        Meta(description="Whose part every message has; one that a step names is there always."),
    ] = ("android", "apns")
    ttl_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=28 * _DAY_MS,
            description="How long a message is kept for a device that is not there, at most; one"
            " that expires is kept no longer than that.",
        ),
    ] = 28 * _DAY_MS
    url: Annotated[
        Annotated[str, Meta(pattern="^https?://[^/]+$")], Meta(description="Where it is sent to.")
    ] = URL
    ca_file: Annotated[
        str | None,
        Meta(description="File with the certificates that are trusted, instead of the system's."),
    ] = None
    rate_per_second: RatePerSecond = 10_000.0
    retry_base_ms: RetryBase = 10_000
