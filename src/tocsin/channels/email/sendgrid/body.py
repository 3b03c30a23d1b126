"""The body of a call: what all its letters share, and what is each one's own."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tocsin.channels.email.writing.letter import Sender
from tocsin.channels.email.writing.outline import Outline

REFERENCE: Final = "tocsin"
"""The custom argument that holds our reference; callbacks bring it along."""

_LINK: Final = "-tocsin-unsubscribe-"
"""Stands for the link of each reader where a text is sent to several."""
_OPTIONS: Final = ("asm", "ip_pool_name", "mail_settings", "tracking_settings")
"""What a step may say about how it is sent, passed on as it is."""

_encoder: Final = msgspec.json.Encoder()


def body_of(letters: Sequence[Outline], sender: Sender) -> bytes:
    """Return the body that sends *letters*, which are alike, each to its own reader."""
    first = letters[0]
    message = first.message
    several = len(letters) > 1 and message.unsubscribe is not None
    text, page = first.texts(_LINK if several else message.unsubscribe)
    content = [{"type": "text/plain", "value": text or " "}]
    if page:
        content.append({"type": "text/html", "value": page})
    body: dict[str, Any] = {
        "personalizations": [_personal(letter, several=several) for letter in letters],
        "from": _mailbox(sender.address, sender.name),
        "subject": first.subject,
        "content": content,
    }
    if first.reply_to:
        body["reply_to"] = _mailbox(first.reply_to)
    if message.category is not None and message.category.isascii():
        body["categories"] = [message.category[:255]]
    if message.content.attachments:
        body["attachments"] = _attachments(first)
    body.update((name, message.options[name]) for name in _OPTIONS if name in message.options)
    return _encoder.encode(body)


def _personal(letter: Outline, *, several: bool) -> dict[str, Any]:
    personal: dict[str, Any] = {
        "to": [_mailbox(letter.to)],
        "custom_args": {REFERENCE: letter.message.reference},
        "headers": dict(letter.headers),
    }
    if several:
        personal["substitutions"] = {_LINK: letter.message.unsubscribe}
    return personal


def _mailbox(address: str, name: str = "") -> dict[str, str]:
    return {"email": address, "name": name} if name else {"email": address}


def _attachments(letter: Outline) -> list[dict[str, str]]:
    made = []
    for each in letter.message.content.attachments:
        one = {
            "content": base64.b64encode(each.data).decode(),
            "filename": each.name,
            "type": each.content_type,
            "disposition": "attachment" if each.content_id is None else "inline",
        }
        if each.content_id is not None:
            one["content_id"] = each.content_id
        made.append(one)
    return made
