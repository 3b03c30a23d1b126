"""The bodies of calls: one finished letter, or a text that is filled in for several readers."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin.channels.email.writing.headers import mailbox_field
from tocsin.channels.email.writing.letter import Letter, Sender
from tocsin.channels.email.writing.outline import Outline

REFERENCE: Final = "tocsin"
"""The tag that holds our reference; events bring it along."""
TEMPLATE_BYTES_MAX: Final = 400_000
"""What fits into a call beside what is each reader's own; a template has at most 500 KB."""

_LINK: Final = "{{{unsubscribe}}}"
_encoder: Final = msgspec.json.Encoder()


def single_body(
    outline: Outline, letter: Letter, sender: Sender, configuration_set: str | None
) -> bytes:
    """Return the body that sends a finished letter."""
    body: dict[str, Any] = {
        "FromEmailAddress": _mailbox(sender),
        "Destination": {"ToAddresses": [outline.to]},
        "Content": {"Raw": {"Data": base64.b64encode(letter.data).decode()}},
        "EmailTags": _tags(outline),
    }
    return _encoder.encode({**body, **_published(configuration_set)})


def fits_template(outline: Outline) -> bool:
    """Return whether the letter's texts can be a template: one that has marks of its own cannot."""
    fields = outline.message.content.fields
    texts = [fields.get(name, "") for name in ("subject", "text", "html")]
    return (
        not outline.message.content.attachments
        and not any("{{" in text for text in texts)
        and sum(map(len, texts)) * 4 <= TEMPLATE_BYTES_MAX
    )


def bulk_body(letters: Sequence[Outline], sender: Sender, configuration_set: str | None) -> bytes:
    """Return the body that sends *letters*, which are alike and fit a template."""
    first = letters[0]
    text, page = first.texts(None if first.message.unsubscribe is None else _LINK)
    template = {"Subject": first.subject, "Text": text or " "}
    if page:
        template["Html"] = page
    body: dict[str, Any] = {
        "FromEmailAddress": _mailbox(sender),
        "DefaultContent": {"Template": {"TemplateContent": template, "TemplateData": "{}"}},
        "BulkEmailEntries": [_entry(each) for each in letters],
    }
    if first.reply_to:
        body["ReplyToAddresses"] = [first.reply_to]
    return _encoder.encode({**body, **_published(configuration_set)})


def _entry(letter: Outline) -> dict[str, Any]:
    data = {} if letter.message.unsubscribe is None else {"unsubscribe": letter.message.unsubscribe}
    filled = _encoder.encode(data).decode()
    return {
        "Destination": {"ToAddresses": [letter.to]},
        "ReplacementTags": _tags(letter),
        "ReplacementEmailContent": {
            "ReplacementTemplate": {"ReplacementTemplateData": filled},
        },
        "ReplacementHeaders": [{"Name": name, "Value": value} for name, value in letter.headers],
    }


def _tags(letter: Outline) -> list[dict[str, str]]:
    return [{"Name": REFERENCE, "Value": letter.message.reference}]


def _published(configuration_set: str | None) -> Mapping[str, str]:
    return {} if configuration_set is None else {"ConfigurationSetName": configuration_set}


def _mailbox(sender: Sender) -> str:
    line = mailbox_field("From", sender.name, sender.address).decode()
    return line.partition(": ")[2].replace("\r\n", "")
