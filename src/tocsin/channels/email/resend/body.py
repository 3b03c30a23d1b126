"""A letter as Resend's API takes it."""

from __future__ import annotations

import base64
import re
from typing import Any, Final

import msgspec

from tocsin.channels.email.resend.options import ResendOptions
from tocsin.channels.email.writing.letter import Sender
from tocsin.channels.email.writing.outline import Outline
from tocsin.ports.message import Attachment

REFERENCE: Final = "tocsin"
"""The tag that holds our reference; webhooks bring it along."""

_WORDS: Final = re.compile(r"[\w -]+\Z")
"""A name that needs no quotes."""


def body_of(outline: Outline, sender: Sender, options: ResendOptions) -> bytes:
    """Return the call's body: the same bytes for the same letter, as its key demands."""
    message = outline.message
    text, page = outline.texts(message.unsubscribe)
    letter: dict[str, Any] = {
        "from": _mailbox(sender.name, sender.address),
        "to": [outline.to],
        "subject": outline.subject,
        # Left out, Resend would make one from the page.
        "text": text if text or page else " ",
        "headers": dict(outline.headers),
        "tags": [{"name": REFERENCE, "value": message.reference}, *options.tags],
    }
    if page:
        letter["html"] = page
    if outline.reply_to:
        letter["reply_to"] = [outline.reply_to]
    if options.topic_id is not None:
        letter["topic_id"] = options.topic_id
    if message.content.attachments:
        letter["attachments"] = [_file(each) for each in message.content.attachments]
    return msgspec.json.encode(letter)


def _mailbox(name: str, address: str) -> str:
    if not name:
        return address
    if _WORDS.match(name) is None:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}"'
    return f"{name} <{address}>"


def _file(attachment: Attachment) -> dict[str, str]:
    file = {
        "filename": attachment.name,
        "content": base64.b64encode(attachment.data).decode(),
        "content_type": attachment.content_type,
    }
    if attachment.content_id is not None:
        file["content_id"] = attachment.content_id
    return file
