"""What Google is sent: one message, with a part for each platform."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from tocsin.channels.push.fcm.options import (
    Android,
    AndroidNotification,
    Apns,
    FcmOptions,
    Web,
    WebLink,
)
from tocsin.channels.push.parts.fitting import fitted
from tocsin.ports.message import Content, Message

PAYLOAD_BYTES_MAX: Final = 4_096

_encoder: Final = msgspec.json.Encoder()
_URGENCIES: Final = {"critical": "high", "transactional": "normal", "bulk": "low"}
Platform = Literal["android", "apns", "webpush"]


class _Notification(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    title: str = ""
    body: str = ""
    image: str | None = None


class _Labelled(msgspec.Struct, frozen=True, kw_only=True):
    analytics_label: str


class _Message(msgspec.Struct, kw_only=True, omit_defaults=True):
    token: str | None = None
    fid: str | None = None
    notification: _Notification | None = None
    data: dict[str, str]
    android: Android | None = None
    apns: Apns | None = None
    webpush: Web | None = None
    fcm_options: _Labelled | None = None


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    message: _Message


def body_of(
    message: Message,
    options: FcmOptions,
    *,
    target: Literal["token", "fid"],
    platforms: tuple[Platform, ...],
    ttl_s: int,
) -> bytes | None:
    """Return the body of the request; None when what cannot be cut is too large."""
    content = message.content
    silent = not (content.title or content.body)
    label = options.analytics_label
    whole = _Message(
        token=message.address if target == "token" else None,
        fid=message.address if target == "fid" else None,
        data=_data(message, options),
        android=_android(message, options, ttl_s, silent)
        if "android" in platforms
        else options.android,
        apns=_apns(message, options, silent) if "apns" in platforms else options.apns,
        webpush=_web(message, options, ttl_s) if "webpush" in platforms else options.webpush,
        fcm_options=None if label is None else _Labelled(analytics_label=label),
    )
    if not silent:
        image = content.fields.get("image")
        whole.notification = _Notification(title=content.title, body=content.body, image=image)
    bytes_max = PAYLOAD_BYTES_MAX + len(message.address)
    body = _encoder.encode(_Body(message=whole))
    if len(body) <= bytes_max:
        return body
    return None if silent else _cut(whole, content, bytes_max)


def _cut(whole: _Message, content: Content, bytes_max: int) -> bytes | None:
    """Return *whole*, which is too large, with its texts cut."""
    image = content.fields.get("image")
    parts = _Body(message=whole)

    def encode(title: str, body: str) -> bytes:
        whole.notification = _Notification(title=title, body=body, image=image)
        return _encoder.encode(parts)

    return fitted(encode, content.title, content.body, bytes_max)


def _data(message: Message, options: FcmOptions) -> dict[str, str]:
    """Return what the app is told; Google takes nothing but texts."""
    data = {**options.data, "tocsin": message.reference}
    if message.about is not None:
        data["notification"] = message.about.notification
    url = message.content.fields.get("url")
    if url is not None:
        data["url"] = url
    if message.content.buttons:
        actions = [{"title": each.label, "url": each.url} for each in message.content.buttons]
        data["actions"] = _encoder.encode(actions).decode()
    if message.trace is not None:
        data["traceparent"] = message.trace
    return data


def _android(message: Message, options: FcmOptions, ttl_s: int, silent: bool) -> Android:
    given = options.android or _ANDROID
    collapse_key = given.collapse_key or message.content.fields.get("collapse_key")
    return msgspec.structs.replace(
        given,
        priority=given.priority or ("normal" if message.lane == "bulk" else "high"),
        collapse_key=collapse_key,
        ttl=given.ttl or f"{ttl_s}s",
        notification=None if silent else _shown(message, given.notification, collapse_key),
    )


def _shown(
    message: Message, given: AndroidNotification | None, collapse_key: str | None
) -> AndroidNotification | None:
    shown = given or _SHOWN
    tag = shown.tag or collapse_key
    sound = shown.sound or message.content.fields.get("sound")
    count = message.badge if shown.notification_count is None else shown.notification_count
    if shown is _SHOWN:
        nothing = not (tag or sound) and count is None
        return (
            None if nothing else AndroidNotification(tag=tag, sound=sound, notification_count=count)
        )
    made = msgspec.structs.replace(shown, tag=tag, sound=sound, notification_count=count)
    return None if made == _SHOWN else made


_ANDROID: Final = Android()
_SHOWN: Final = AndroidNotification()


def _apns(message: Message, options: FcmOptions, silent: bool) -> Apns:
    given = options.apns
    headers: dict[str, str] = {}
    if message.expires_ms is not None:
        headers["apns-expiration"] = str(message.expires_ms // 1_000)
    collapse_key = message.content.fields.get("collapse_key")
    if collapse_key is not None:
        headers["apns-collapse-id"] = _short(collapse_key)
    aps: dict[str, object] = {"content-available": 1} if silent else _aps(message)
    if silent or message.lane == "bulk":
        headers["apns-priority"] = "5"
    if given is None:
        return Apns(headers=headers, payload={"aps": aps})
    payload = dict(given.payload)
    own = payload.get("aps")
    payload["aps"] = {**aps, **own} if isinstance(own, Mapping) else aps
    return Apns(headers={**headers, **given.headers}, payload=payload)


def _aps(message: Message) -> dict[str, object]:
    aps: dict[str, Any] = {"sound": message.content.fields.get("sound", "default")}
    if message.badge is not None:
        aps["badge"] = message.badge
    if message.lane == "critical":
        aps["interruption-level"] = "time-sensitive"
    return aps


def _web(message: Message, options: FcmOptions, ttl_s: int) -> Web:
    given = options.webpush or Web()
    headers = {"TTL": str(ttl_s), "Urgency": _URGENCIES[message.lane], **given.headers}
    url = message.content.fields.get("url", "")
    link = WebLink(link=url) if url.startswith("https://") else None
    return msgspec.structs.replace(given, headers=headers, fcm_options=given.fcm_options or link)


def _short(collapse_key: str) -> str:
    """Return a key of at most 64 bytes, as Apple wants it."""
    if collapse_key.isascii() and len(collapse_key) <= 64:
        return collapse_key
    return base64.urlsafe_b64encode(hashlib.sha256(collapse_key.encode()).digest()).decode()
