"""A letter as Postmark's API takes it."""

from __future__ import annotations

import base64
from typing import Any, Final

from tocsin.channels.email.writing.headers import mailbox_field
from tocsin.channels.email.writing.letter import Sender
from tocsin.channels.email.writing.outline import Outline

REFERENCE: Final = "tocsin"
"""The metadata that holds our reference; webhooks bring it along."""

_OPTIONS: Final = ("MessageStream", "Tag", "TrackLinks", "TrackOpens")
"""What a step may say about how it is sent, passed on as it is."""


def letter_of(outline: Outline, sender: Sender, stream: str) -> dict[str, Any]:
    """Return the fields of one letter."""
    message = outline.message
    text, page = outline.texts(message.unsubscribe)
    letter: dict[str, Any] = {
        "From": mailbox_field("", sender.name, sender.address)[2:-2].decode().replace("\r\n", ""),
        "To": outline.to,
        "Subject": outline.subject,
        "TextBody": text or " ",
        "MessageStream": stream,
        "Metadata": {REFERENCE: message.reference},
        "Headers": [{"Name": name, "Value": value} for name, value in outline.headers],
    }
    if page:
        letter["HtmlBody"] = page
    if outline.reply_to:
        letter["ReplyTo"] = outline.reply_to
    if message.category is not None:
        letter["Tag"] = message.category
    if message.content.attachments:
        letter["Attachments"] = [
            {
                "Name": each.name,
                "Content": base64.b64encode(each.data).decode(),
                "ContentType": each.content_type,
                **({} if each.content_id is None else {"ContentID": f"cid:{each.content_id}"}),
            }
            for each in message.content.attachments
        ]
    letter.update((name, message.options[name]) for name in _OPTIONS if name in message.options)
    return letter
