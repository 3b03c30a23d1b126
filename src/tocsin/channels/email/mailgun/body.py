"""The form of a call: what all its letters share, and what is each one's own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from tocsin.channels.email.writing.headers import mailbox_field
from tocsin.channels.email.writing.letter import Sender
from tocsin.channels.email.writing.outline import Outline

REFERENCE: Final = "tocsin"
"""The variable that holds our reference; webhooks bring it along."""
MARK: Final = "%recipient"
"""What stands before the name of something that Mailgun fills in; see `may_share`."""

_LINK: Final = f"{MARK}.unsubscribe%"
_OWN_HEADERS: Final = frozenset({"List-Unsubscribe", "Traceparent"})
_OPTIONS: Final = ("o:deliverytime", "o:tag", "o:testmode", "o:tracking", "o:tracking-clicks")
_OPTIONS_MORE: Final = ("o:tracking-opens", "o:dkim", "o:require-tls", "o:skip-verification")
"""What a step may say about how it is sent, passed on as it is."""

Field = tuple[str, str]


class Form(NamedTuple):
    """A body and what kind it is."""

    content_type: str
    data: bytes


def may_share(outline: Outline) -> bool:
    """Return whether the letter's text can go to several: one with marks of its own cannot."""
    fields = outline.message.content.fields
    return not any(MARK in fields.get(name, "") for name in ("subject", "text", "html"))


def form_of(letters: Sequence[Outline], sender: Sender) -> Form:
    """Return the form that sends *letters*, which are alike, each to its own reader."""
    files = letters[0].message.content.attachments
    fields = list(_fields(letters, sender))
    if not files:
        return Form("application/x-www-form-urlencoded", urlencode(fields).encode())
    # Of the files themselves, so that it is in none of them and the same for each attempt.
    digest = hashlib.sha256(b"".join(each.data for each in files)).hexdigest()
    boundary = f"tocsin-{digest}"
    parts = [_part(boundary, f'name="{name}"', value.encode()) for name, value in fields]
    for each in files:
        kind = "attachment" if each.content_id is None else "inline"
        shown = each.content_id or each.name
        described = f'name="{kind}"; filename="{_quoted(shown)}"'
        parts.append(_part(boundary, described, each.data, each.content_type))
    data = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return Form(f"multipart/form-data; boundary={boundary}", data)


def _fields(letters: Sequence[Outline], sender: Sender) -> Iterator[Field]:
    first = letters[0]
    message = first.message
    several = len(letters) > 1
    link = _LINK if several and message.unsubscribe is not None else message.unsubscribe
    text, page = first.texts(link)
    yield "from", mailbox_field("", sender.name, sender.address)[2:-2].decode().replace("\r\n", "")
    for each in letters:
        yield "to", each.to
    yield "subject", first.subject
    yield "text", text or " "
    if page:
        yield "html", page
    if first.reply_to:
        yield "h:Reply-To", first.reply_to
    if message.category is not None and "o:tag" not in message.options:
        yield "o:tag", message.category
    yield from _own(letters) if several else _alone(first)
    for name in (*_OPTIONS, *_OPTIONS_MORE):
        if isinstance(said := message.options.get(name), str):
            yield name, said


def _alone(letter: Outline) -> Iterator[Field]:
    for name, value in letter.headers:
        yield f"h:{name}", value
    yield f"v:{REFERENCE}", letter.message.reference


def _own(letters: Sequence[Outline]) -> Iterator[Field]:
    """Yield what Mailgun fills in for each reader."""
    for name, value in letters[0].headers:
        if name not in _OWN_HEADERS:
            yield f"h:{name}", value
    if letters[0].message.unsubscribe is not None:
        yield "h:List-Unsubscribe", f"<{_LINK}>"
    if all(letter.message.trace is not None for letter in letters):
        yield "h:Traceparent", f"{MARK}.trace%"
    yield f"v:{REFERENCE}", f"{MARK}.{REFERENCE}%"
    variables = {
        letter.to: {
            REFERENCE: letter.message.reference,
            "unsubscribe": letter.message.unsubscribe or "",
            "trace": letter.message.trace or "",
        }
        for letter in letters
    }
    yield "recipient-variables", msgspec.json.encode(variables).decode()


def _part(boundary: str, described: str, value: bytes, content_type: str = "") -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {described}\r\n"
    if content_type:
        head += f"Content-Type: {content_type}\r\n"
    return head.encode() + b"\r\n" + value + b"\r\n"


def _quoted(name: str) -> str:
    """Return *name* as browsers write it in a form (HTML, 4.10.22.8)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
