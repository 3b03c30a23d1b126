"""What a step may say to devices behind Firebase alone: ``options.fcm``, by Google's own names."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(max_length=1_000)]
Label = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9\-_.~%]{1,50}$")]
Key = Annotated[
    str, Meta(pattern=r"^(?!from$|message_type$|google\.|gcm\.)", min_length=1, max_length=200)
]
"""A name of ``data``; Google keeps some for itself."""


class AndroidNotification(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """How Android shows it."""

    channel_id: Text | None = None
    tag: Text | None = None
    icon: Text | None = None
    color: Annotated[str, Meta(pattern="^#[0-9a-fA-F]{6}$")] | None = None
    sound: Text | None = None
    image: Text | None = None
    ticker: Text | None = None
    click_action: Text | None = None
    title_loc_key: Text | None = None
    title_loc_args: tuple[Text, ...] | None = None
    body_loc_key: Text | None = None
    body_loc_args: tuple[Text, ...] | None = None
    sticky: bool | None = None
    local_only: bool | None = None
    default_sound: bool | None = None
    default_vibrate_timings: bool | None = None
    default_light_settings: bool | None = None
    vibrate_timings: tuple[Text, ...] | None = None
    notification_count: Annotated[int, Meta(ge=0)] | None = None
    bypass_proxy_notification: bool | None = None
    notification_priority: (
        Literal["PRIORITY_MIN", "PRIORITY_LOW", "PRIORITY_DEFAULT", "PRIORITY_HIGH", "PRIORITY_MAX"]
        | None
    ) = None
    visibility: Literal["PRIVATE", "PUBLIC", "SECRET"] | None = None
    proxy: Literal["ALLOW", "DENY", "IF_PRIORITY_LOWERED"] | None = None


class Android(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """How it gets there. ``collapse_key`` and ``ttl`` follow from the step and its expiry."""

    priority: Literal["normal", "high"] | None = None
    collapse_key: Text | None = None
    ttl: Annotated[str, Meta(pattern=r"^[0-9]{1,7}(\.[0-9]{1,9})?s$")] | None = None
    restricted_package_name: Text | None = None
    direct_boot_ok: bool | None = None
    bandwidth_constrained_ok: bool | None = None
    restricted_satellite_ok: bool | None = None
    data: dict[Key, str] | None = None
    notification: AndroidNotification | None = None


class Apns(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What Google passes on to Apple: headers, and the payload as Apple has it."""

    headers: dict[str, str] = {}
    payload: dict[str, object] = {}


class WebLink(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Where a click leads."""

    link: Annotated[str, Meta(pattern="^https://", max_length=2_048)] | None = None
    analytics_label: Label | None = None


class Web(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What Google passes on to browsers."""

    headers: dict[str, str] = {}
    data: dict[Key, str] | None = None
    notification: dict[str, object] = {}
    fcm_options: WebLink | None = None


class FcmOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole table."""

    data: dict[Key, str] = {}
    android: Android | None = None
    apns: Apns | None = None
    webpush: Web | None = None
    analytics_label: Label | None = None
