"""What a device of Apple's is sent: JSON of at most 4,096 bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from tocsin.channels.push.parts.fitting import fitted
from tocsin.domain.lanes import Lane
from tocsin.ports.message import Button, Content, Message

PAYLOAD_BYTES_MAX: Final = 4_096

Level = Literal["passive", "active", "time-sensitive", "critical"]
Text = Annotated[str, Meta(max_length=1_000)]

_encoder: Final = msgspec.json.Encoder()


class ApnsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a step may say to Apple's devices alone: ``options.apns``, by Apple's own names."""

    priority: Literal[1, 5, 10] | None = None
    interruption_level: Level | None = None
    relevance_score: Annotated[float, Meta(ge=0, le=1)] | None = None
    category: Text | None = None
    thread_id: Text | None = None
    target_content_id: Text | None = None
    filter_criteria: Text | None = None
    subtitle: Text | None = None
    title_loc_key: Text | None = None
    title_loc_args: tuple[Text, ...] | None = None
    loc_key: Text | None = None
    loc_args: tuple[Text, ...] | None = None
    launch_image: Text | None = None
    sound: Text | None = None
    volume: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Of a critical alert's sound."""
    badge: Annotated[int, Meta(ge=0)] | None = None
    """Instead of the number of unseen items; 0 takes it away."""
    content_available: bool | None = None
    mutable_content: bool | None = None
    data: dict[str, object] | None = None
    """Members beside ``aps``, for the app."""


class _Alert(msgspec.Struct, kw_only=True, omit_defaults=True, rename="kebab"):
    title: str = ""
    subtitle: str | None = None
    body: str = ""
    title_loc_key: str | None = None
    title_loc_args: tuple[str, ...] | None = None
    loc_key: str | None = None
    loc_args: tuple[str, ...] | None = None
    launch_image: str | None = None


class _Sound(msgspec.Struct, frozen=True, kw_only=True):
    critical: int
    name: str
    volume: float


class _Aps(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="kebab"):
    alert: _Alert | None = None
    badge: int | None = None
    sound: str | _Sound | None = None
    thread_id: str | None = None
    category: str | None = None
    content_available: int | None = None
    mutable_content: int | None = None
    target_content_id: str | None = None
    interruption_level: str | None = None
    relevance_score: float | None = None
    filter_criteria: str | None = None


_WAKE: Final = _Aps(content_available=1)
"""What shows nothing."""


class _Action(msgspec.Struct, frozen=True):
    title: str
    url: str


class _Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    aps: _Aps
    tocsin: str
    notification: str = ""
    url: str | None = None
    image: str | None = None
    actions: tuple[_Action, ...] = ()
    traceparent: str | None = None


def is_silent(message: Message, options: ApnsOptions) -> bool:
    """Return whether there is nothing to show: the app is woken, and that is all."""
    content = message.content
    return not (content.title or content.body or options.loc_key or options.title_loc_key)


def payload_of(message: Message, options: ApnsOptions, *, critical_alerts: bool) -> bytes | None:
    """Return the payload; None when what cannot be cut is too large."""
    content, about = message.content, message.about
    fields = content.fields
    alert = None if is_silent(message, options) else _alert(content, options)
    whole = _Payload(
        aps=_WAKE if alert is None else _aps(message, options, alert, critical_alerts),
        tocsin=message.reference,
        notification=about.notification if about is not None else "",
        url=fields.get("url"),
        image=fields.get("image"),
        actions=_actions(content.buttons),
        traceparent=message.trace,
    )

    payload = _with_data(_encoder.encode(whole), options)
    if len(payload) <= PAYLOAD_BYTES_MAX:
        return payload
    return None if alert is None else _cut(whole, alert, options)


def _cut(whole: _Payload, alert: _Alert, options: ApnsOptions) -> bytes | None:
    """Return *whole*, which is too large, with the texts of its *alert* cut."""

    def encode(title: str, body: str) -> bytes:
        alert.title, alert.body = title, body
        return _with_data(_encoder.encode(whole), options)

    return fitted(encode, alert.title, alert.body, PAYLOAD_BYTES_MAX)


def _actions(buttons: Sequence[Button]) -> tuple[_Action, ...]:
    return tuple(_Action(each.label, each.url) for each in buttons) if buttons else ()


def _with_data(payload: bytes, options: ApnsOptions) -> bytes:
    """Put the app's own members in front, so that ours win where a name is both."""
    if not options.data:
        return payload
    return _encoder.encode(options.data)[:-1] + b"," + payload[1:]


def _alert(content: Content, options: ApnsOptions) -> _Alert:
    return _Alert(
        title=content.title,
        body=content.body,
        subtitle=options.subtitle,
        title_loc_key=options.title_loc_key,
        title_loc_args=options.title_loc_args,
        loc_key=options.loc_key,
        loc_args=options.loc_args,
        launch_image=options.launch_image,
    )


def _aps(message: Message, options: ApnsOptions, alert: _Alert, critical_alerts: bool) -> _Aps:
    level = options.interruption_level or _level(message.lane, critical_alerts)
    fields, mutable = message.content.fields, options.mutable_content
    if mutable is None:
        # What shows a picture is an extension of the app, which runs only if asked to.
        mutable = "image" in fields
    return _Aps(
        alert=alert,
        badge=message.badge if options.badge is None else options.badge,
        sound=_sound(options.sound or fields.get("sound"), level, options),
        thread_id=options.thread_id,
        category=options.category,
        content_available=1 if options.content_available else None,
        mutable_content=1 if mutable else None,
        target_content_id=options.target_content_id,
        interruption_level=level,
        relevance_score=options.relevance_score,
        filter_criteria=options.filter_criteria,
    )


def _level(lane: Lane, critical_alerts: bool) -> Level | None:
    """None is what Apple takes for ``active``."""
    if lane == "critical":
        return "critical" if critical_alerts else "time-sensitive"
    return "passive" if lane == "bulk" else None


def _sound(name: str | None, level: Level | None, options: ApnsOptions) -> str | _Sound | None:
    if level == "critical":
        volume = 1.0 if options.volume is None else options.volume
        return _Sound(critical=1, name=name or "default", volume=volume)
    return name or (None if level == "passive" else "default")
