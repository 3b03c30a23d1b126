"""What a browser is sent: JSON that the service worker shows."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from tocsin.channels.push.parts.fitting import fitted
from tocsin.ports.message import Message

Urgency = Literal["very-low", "low", "normal", "high"]
URGENCIES: Final = {"critical": "high", "transactional": "normal", "bulk": "low"}

_encoder: Final = msgspec.json.Encoder()


class WebPushOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a step may say to browsers alone: ``options.webpush``."""

    urgency: Urgency | None = None
    icon: Annotated[str, Meta(max_length=2_048)] | None = None
    badge: Annotated[str, Meta(max_length=2_048)] | None = None
    """URL of the small picture that stands for the app."""
    tag: Annotated[str, Meta(max_length=200)] | None = None
    """Replaces what is shown under the same tag; ``collapse_key`` without it."""
    renotify: bool | None = None
    require_interaction: bool | None = None
    silent: bool | None = None
    lang: Annotated[str, Meta(max_length=35)] | None = None
    dir: Literal["auto", "ltr", "rtl"] | None = None
    vibrate: tuple[Annotated[int, Meta(ge=0, le=10_000)], ...] | None = None
    data: dict[str, object] | None = None


class Action(msgspec.Struct, frozen=True):
    """A button."""

    title: str
    url: str


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """
    The plaintext. ``tocsin`` is the delivery's id, by which ``shown`` and ``clicked`` are reported.
    """

    tocsin: str
    title: str = ""
    body: str = ""
    notification: str = ""
    url: str | None = None
    image: str | None = None
    unseen: int | None = None
    actions: tuple[Action, ...] = ()
    icon: str | None = None
    badge: str | None = None
    tag: str | None = None
    renotify: bool | None = None
    require_interaction: bool | None = None
    silent: bool | None = None
    lang: str | None = None
    dir: str | None = None
    vibrate: tuple[int, ...] | None = None
    data: dict[str, object] | None = None
    traceparent: str | None = None


def payload_of(message: Message, options: WebPushOptions, bytes_max: int) -> bytes | None:
    """Return the plaintext in at most *bytes_max* bytes; None when it cannot be."""
    content, about = message.content, message.about
    fields = content.fields
    whole = Payload(
        tocsin=message.reference,
        notification=about.notification if about is not None else "",
        url=fields.get("url"),
        image=fields.get("image"),
        unseen=message.badge,
        actions=tuple(Action(each.label, each.url) for each in content.buttons),
        icon=options.icon,
        badge=options.badge,
        tag=options.tag or fields.get("collapse_key"),
        renotify=options.renotify,
        require_interaction=options.require_interaction,
        silent=options.silent,
        lang=options.lang,
        dir=options.dir,
        vibrate=options.vibrate,
        data=options.data,
        traceparent=message.trace,
    )

    def encode(title: str, body: str) -> bytes:
        return _encoder.encode(msgspec.structs.replace(whole, title=title, body=body))

    return fitted(encode, content.title, content.body, bytes_max)
