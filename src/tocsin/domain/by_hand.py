"""A message sent by hand is a workflow's document that nobody published."""

from __future__ import annotations

import re
from typing import Final

from tocsin.domain.channels import ACTING, CHANNEL_FIELDS
from tocsin.domain.reading import Notes, Reader, refuse
from tocsin.domain.template_syntax import SOURCE_CHARACTERS_MAX
from tocsin.domain.workflow import WorkflowDocument
from tocsin.domain.workflow_read import read_document
from tocsin.errors import FieldProblem, RequestRefused

SEND_KEY: Final = "tocsin.send"
"""The workflow's key of messages sent by hand."""

_CONTENT_FIELDS: Final = frozenset({"title", "body", "html", "url", "image", "actions"})
_STEP: Final = re.compile(r"/steps(?:/(?P<number>\d+)(?:/(?P<field>.+))?)?\Z")
_SENT_AS: Final = {"subject": "title", "text": "body"}


def document_for_send(
    content: object,
    channels: object = None,
    lane: object = None,
    category: object = None,
) -> WorkflowDocument:
    """
    Return the document of a message sent by hand; raises `RequestRefused`.

    *content* has the fields of ``POST /v1/send``; each channel takes those that it knows. Without
    *channels* it goes to the inbox.
    """
    notes = Notes()
    reader = Reader(content, "/content", notes, _CONTENT_FIELDS)
    for name in ("title", "body"):
        reader.text(name, characters_max=SOURCE_CHARACTERS_MAX, required=True, lines=True)
    if not isinstance(channels, list | None):
        notes.add("/channels", "wrong_type", "a list of channels is needed here")
    notes.finish("the message cannot be read")
    chosen = channels if isinstance(channels, list) else ["inbox"]
    document = {
        "key": SEND_KEY,
        "lane": lane,
        "category": category,
        "steps": [_step_for(channel, reader.fields) for channel in chosen],
    }
    try:
        return read_document(document)
    except RequestRefused as refusal:
        refuse(tuple(map(_in_the_callers_words, refusal.errors)), "the message cannot be sent")


def _step_for(channel: object, content: dict[str, object]) -> dict[str, object]:
    known = CHANNEL_FIELDS.get(channel, frozenset()) if isinstance(channel, str) else frozenset()
    fields = {name: value for name, value in content.items() if name in known}
    if channel == "email":
        # A mail's title is its subject, and HTML stands beside the plain text.
        fields = {"subject": content["title"], "text": content["body"]}
        fields |= {"html": content["html"]} if "html" in content else {}
    if isinstance(channel, str) and channel in ACTING and "actions" in content:
        fields["actions"] = content["actions"]
    return {"channel": channel, **fields}


def _in_the_callers_words(problem: FieldProblem) -> FieldProblem:
    """Point at what was sent instead of at the steps that were made of it."""
    step = _STEP.match(problem.pointer)
    if step is None:
        return problem
    number, field = step["number"], step["field"] or ""
    if field in {"", "channel", "name"}:
        place = "/channels" if number is None else f"/channels/{number}"
    else:
        first, slash, rest = field.partition("/")
        place = f"/content/{_SENT_AS.get(first, first)}{slash}{rest}"
    return FieldProblem(place, problem.code, problem.detail)
