"""
What Teams shows: an Adaptive Card with rich text, whose runs are literal.

A plain text block would read Markdown and functions such as ``{{DATE(…)}}``. Who is mentioned in
a card stands in a list beside it, which is never there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tocsin.channels.chat.writing.buttons import links
from tocsin.channels.chat.writing.fitting import cut
from tocsin.ports.message import Content

TITLE_UNITS_MAX: Final = 300
BODY_UNITS_MAX: Final = 6_000
"""At most 18,000 bytes of the about 28,000 that Teams takes of a card."""
LABEL_UNITS_MAX: Final = 80
BUTTONS_MAX: Final = 5

_SCHEMA: Final = "http://adaptivecards.io/schemas/adaptive-card.json"
_KIND: Final = "application/vnd.microsoft.card.adaptive"


def card(content: Content, acknowledge: tuple[str, str] | None) -> dict[str, Any]:
    """Return the message; *acknowledge* is label and URL of that link, if there is to be one."""
    body: list[dict[str, Any]] = [
        {"type": "RichTextBlock", "inlines": [run]} for run in _runs(content)
    ]
    image = content.fields.get("image")
    if image is not None:
        body.append({"type": "Image", "url": image, "altText": cut(content.title, 200)})
    buttons = [(each.label, each.url) for each in links(content, BUTTONS_MAX)]
    actions = [
        {"type": "Action.OpenUrl", "title": cut(label, LABEL_UNITS_MAX) or "→", "url": url}
        for label, url in [*buttons, *([acknowledge] if acknowledge is not None else [])]
    ]
    shown: dict[str, Any] = {
        "$schema": _SCHEMA,
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "fallbackText": cut(content.title or content.body, TITLE_UNITS_MAX),
        "msteams": {"width": "Full"},
    }
    if actions:
        shown["actions"] = actions
    attachment = {"contentType": _KIND, "contentUrl": None, "content": shown}
    return {"type": "message", "attachments": [attachment]}


def _runs(content: Content) -> Iterator[dict[str, Any]]:
    url = content.fields.get("url")
    title = cut(content.title or url or "", TITLE_UNITS_MAX)
    if title:
        run: dict[str, Any] = {"type": "TextRun", "text": title, "weight": "Bolder"}
        if url is not None:
            run["selectAction"] = {"type": "Action.OpenUrl", "url": url}
        yield {**run, "size": "Medium"}
    for line in cut(content.body, BODY_UNITS_MAX).split("\n"):
        yield {"type": "TextRun", "text": line or " "}
